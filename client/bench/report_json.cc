#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/bench/report.h"
#include "client/text.h"

namespace cooper::client::bench {
namespace {

using Json = nlohmann::ordered_json;

Json Seconds(absl::Duration duration) {
  if (duration == absl::InfiniteDuration()) return nullptr;
  return absl::ToDoubleSeconds(duration);
}

Json Seconds(const std::optional<absl::Duration>& duration) {
  return duration.has_value() ? Seconds(*duration) : Json(nullptr);
}

template <typename T>
Json OrNull(const std::optional<T>& value) {
  return value.has_value() ? Json(*value) : Json(nullptr);
}

Json Configuration(const RunFacts& facts) {
  const RunOptions& options = facts.options;
  Json workload = Json::object();
  for (const Fact& fact : facts.workload) {
    workload[fact.name] = Printable(fact.value);
  }
  return {{"server", Printable(facts.server)},
          {"loop", options.open_loop() ? "open" : "closed"},
          {"concurrency",
           options.open_loop() ? Json(nullptr) : Json(options.concurrency)},
          {"rate", OrNull(options.rate)},
          {"max_outstanding",
           options.open_loop() ? Json(options.max_outstanding) : Json(nullptr)},
          {"clients", facts.clients},
          {"duration_seconds", Seconds(options.LoadEnd() - options.warmup)},
          {"warmup_seconds", Seconds(options.warmup)},
          {"requests", OrNull(options.requests)},
          {"cancel_share", options.cancel_share},
          {"cancel_within_seconds", Seconds(options.cancel_within)},
          {"deadline_seconds", Seconds(facts.deadline)},
          {"seed", options.seed},
          {"workload", std::move(workload)}};
}

Json Model(const v1::GetModelResponse& model) {
  google::protobuf::util::JsonPrintOptions print;
  print.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(model, &text, print).ok()) {
    return nullptr;
  }
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

Json ToJson(const Distribution::Figures& figures) {
  return {{"count", figures.count}, {"mean", figures.mean},
          {"min", figures.min},     {"p50", figures.p50},
          {"p90", figures.p90},     {"p95", figures.p95},
          {"p99", figures.p99},     {"max", figures.max},
          {"exact", figures.exact}};
}

Json ToJson(const KindSummary& kind) {
  Json errors = Json::array();
  for (const auto& [key, error] : kind.errors) {
    errors.push_back({{"code", key.code},
                      {"reason", Printable(key.reason)},
                      {"count", error.count},
                      {"example", Printable(error.example)}});
  }
  Json measures = Json::object();
  for (int i = 0; i < kNumMeasures; ++i) {
    const auto measure = static_cast<Measure>(i);
    measures[absl::StrCat(MeasureName(measure), "_seconds")] =
        ToJson(kind.of(measure).figures());
  }
  return {{"requests", kind.requests},
          {"ok", kind.ok},
          {"failed", kind.failed},
          {"cancelled", kind.cancelled},
          {"delayed", kind.delayed},
          {"refusals", kind.refusals},
          {"waited_seconds", Seconds(kind.waited)},
          {"input_tokens", kind.input_tokens},
          {"output_tokens", kind.output_tokens},
          {"maps", kind.maps},
          {"denoise_steps", kind.denoise_steps},
          {"text_pieces", kind.text_pieces},
          {"finish_reasons", kind.finish_reasons},
          {"errors", std::move(errors)},
          {"measures", std::move(measures)}};
}

Json Throughput(const RunFacts& facts, const Summary& summary) {
  const double seconds = absl::ToDoubleSeconds(Window(facts));
  const auto rate = [&](double sum) {
    return seconds > 0 ? Json(sum / seconds) : Json(nullptr);
  };
  const Work& work = summary.work_in_window();
  return {{"window_seconds", seconds},
          {"offered_requests_per_second",
           facts.options.open_loop()
               ? rate(static_cast<double>(summary.all().requests))
               : Json(nullptr)},
          {"requests_per_second", rate(work.requests)},
          {"output_tokens_per_second", rate(work.output_tokens)},
          {"maps_per_second", rate(work.maps)},
          {"denoise_steps_per_second", rate(work.denoise_steps)}};
}

absl::string_view OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
      return "ok";
    case Outcome::kFailed:
      return "failed";
    case Outcome::kCancelled:
      return "cancelled";
    case Outcome::kInterrupted:
      return "interrupted";
  }
  return "";
}

Json Gaps(const Sample& sample) {
  absl::Duration sum;
  absl::Duration longest;
  for (const absl::Duration gap : sample.text_gaps) {
    sum += gap;
    longest = std::max(longest, gap);
  }
  const size_t count = sample.text_gaps.size();
  return {{"count", count},
          {"mean", count == 0 ? Json(nullptr)
                              : Seconds(sum / static_cast<int64_t>(count))},
          {"max", count == 0 ? Json(nullptr) : Seconds(longest)}};
}

}  // namespace

std::string RenderJson(const RunFacts& facts, const Summary& summary) {
  Json methods = Json::object();
  for (const auto& [kind, figures] : summary.by_kind()) {
    methods[std::string(KindName(kind))] = ToJson(figures);
  }
  const Json document = {
      {"schema", "cooper.bench/1"},
      {"begun_at", absl::FormatTime(absl::RFC3339_full, facts.begun_at,
                                    absl::UTCTimeZone())},
      {"configuration", Configuration(facts)},
      {"model", Model(facts.model)},
      {"interrupted", facts.result.interrupted},
      {"throughput", Throughput(facts, summary)},
      {"all", ToJson(summary.all())},
      {"methods", std::move(methods)}};
  return document.dump(1);
}

std::string RenderSample(const Sample& sample) {
  Json maps = Json::array();
  for (const absl::Duration time : sample.map_times) {
    maps.push_back(Seconds(time));
  }
  const Json line = {{"index", sample.ticket.index},
                     {"method", std::string(KindName(sample.kind))},
                     {"item", sample.ticket.item},
                     {"counted", sample.ticket.counted},
                     {"outcome", std::string(OutcomeName(sample.outcome))},
                     {"code", absl::StatusCodeToString(sample.code)},
                     {"reason", Printable(sample.reason)},
                     {"arrival_seconds", Seconds(sample.ticket.arrival)},
                     {"start_seconds", Seconds(sample.start)},
                     {"end_seconds", Seconds(sample.end)},
                     {"delayed", sample.delayed},
                     {"retry_delay_seconds", Seconds(sample.retry_delay)},
                     {"waited_seconds", Seconds(sample.waited)},
                     {"first_event_seconds", Seconds(sample.first_event)},
                     {"first_text_seconds", Seconds(sample.first_text)},
                     {"first_map_step_seconds", Seconds(sample.first_map_step)},
                     {"text_gap_seconds", Gaps(sample)},
                     {"map_seconds", std::move(maps)},
                     {"request_seconds", Seconds(sample.latency())},
                     {"finish_reason", ShortName(sample.finish_reason)},
                     {"input_tokens", sample.usage.input_tokens()},
                     {"output_tokens", sample.usage.output_tokens()},
                     {"maps", sample.usage.maps()},
                     {"denoise_steps", sample.usage.denoise_steps()}};
  return line.dump();
}

}  // namespace cooper::client::bench
