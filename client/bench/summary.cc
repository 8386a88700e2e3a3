#include "client/bench/summary.h"

#include <algorithm>

#include "client/proto_names.h"

namespace cooper::client::bench {
namespace {

void AddMeasures(const Sample& sample, KindSummary* into) {
  const auto add = [into](Measure measure, absl::Duration value) {
    into->measures[static_cast<size_t>(measure)].Add(value);
  };
  const auto add_if = [&](Measure measure,
                          const std::optional<absl::Duration>& value) {
    if (value.has_value()) add(measure, *value);
  };
  add_if(Measure::kFirstEvent, sample.first_event);
  add_if(Measure::kFirstText, sample.first_text);
  add_if(Measure::kFirstMapStep, sample.first_map_step);
  for (const absl::Duration gap : sample.text_gaps) {
    add(Measure::kTextGap, gap);
  }
  for (const absl::Duration time : sample.map_times) add(Measure::kMap, time);
  add(Measure::kRequest, sample.latency());
  add(Measure::kSendDelay, sample.start - sample.ticket.arrival);
}

void AddOk(const Sample& sample, KindSummary* into) {
  ++into->ok;
  into->input_tokens += sample.usage.input_tokens();
  into->output_tokens += sample.usage.output_tokens();
  into->maps += sample.usage.maps();
  into->denoise_steps += sample.usage.denoise_steps();
  into->text_pieces += sample.text_pieces;
  ++into->finish_reasons[ShortName(sample.finish_reason)];
  AddMeasures(sample, into);
}

void AddTo(const Sample& sample, KindSummary* into) {
  ++into->requests;
  if (sample.delayed) ++into->delayed;
  switch (sample.outcome) {
    case Outcome::kOk:
      AddOk(sample, into);
      break;
    case Outcome::kFailed: {
      ++into->failed;
      if (sample.retry_delay.has_value()) ++into->refusals;
      into->waited += sample.waited;
      ErrorCount& error =
          into->errors[{absl::StatusCodeToString(sample.code), sample.reason}];
      if (error.count++ == 0) error.example = sample.message;
      break;
    }
    case Outcome::kCancelled:
      ++into->cancelled;
      break;
    case Outcome::kInterrupted:
      break;
  }
}

}  // namespace

absl::string_view MeasureName(Measure measure) {
  static constexpr absl::string_view kNames[kNumMeasures] = {
      "first_event", "first_text", "first_map_step", "text_gap",
      "map",         "request",    "send_delay"};
  return kNames[static_cast<size_t>(measure)];
}

void Summary::Add(const Sample& sample) {
  if (sample.outcome == Outcome::kInterrupted) return;
  AddWork(sample);
  if (!sample.ticket.counted) return;
  AddTo(sample, &by_kind_[sample.kind]);
  AddTo(sample, &all_);
}

void Summary::AddWork(const Sample& sample) {
  if (sample.outcome != Outcome::kOk) return;
  const absl::Duration inside =
      std::min(sample.end, window_end_) - std::max(sample.start, window_begin_);
  const absl::Duration whole = sample.end - sample.start;
  if (inside <= absl::ZeroDuration()) return;
  const double part = absl::FDivDuration(inside, whole);
  work_.requests += part;
  work_.output_tokens +=
      part * static_cast<double>(sample.usage.output_tokens());
  work_.maps += part * sample.usage.maps();
  work_.denoise_steps += part * sample.usage.denoise_steps();
}

}  // namespace cooper::client::bench
