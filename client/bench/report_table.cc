#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/bench/report.h"
#include "client/text.h"

namespace cooper::client::bench {
namespace {

// Four figures: "0.1234", "12.34", "1234".
std::string Milliseconds(double seconds) {
  const double ms = 1e3 * seconds;
  if (ms >= 1000) return absl::StrFormat("%.0f", ms);
  if (ms >= 100) return absl::StrFormat("%.1f", ms);
  if (ms >= 1) return absl::StrFormat("%.2f", ms);
  return absl::StrFormat("%.3f", ms);
}

std::string Label(Measure measure) {
  std::string label(MeasureName(measure));
  std::replace(label.begin(), label.end(), '_', ' ');
  return label;
}

void AppendKind(absl::string_view name, const KindSummary& kind, bool open_loop,
                std::string* text) {
  absl::StrAppendFormat(text, "\n%-16s %8s %9s %9s %9s %9s %9s %9s  ms\n",
                        absl::StrCat(name, ":"), "count", "mean", "p50", "p90",
                        "p95", "p99", "max");
  bool sampled = false;
  for (int i = 0; i < kNumMeasures; ++i) {
    const auto measure = static_cast<Measure>(i);
    const Distribution::Figures f = kind.of(measure).figures();
    // In the closed loop a request is sent as it arrives.
    if (f.count == 0 || (measure == Measure::kSendDelay && !open_loop)) {
      continue;
    }
    sampled = sampled || !f.exact;
    absl::StrAppendFormat(
        text, "%-16s %8d %9s %9s %9s %9s %9s %9s%s\n",
        absl::StrCat("  ", Label(measure)), f.count, Milliseconds(f.mean),
        Milliseconds(f.p50), Milliseconds(f.p90), Milliseconds(f.p95),
        Milliseconds(f.p99), Milliseconds(f.max), f.exact ? "" : "  *");
  }
  if (kind.ok == 0) absl::StrAppend(text, "  no request was answered\n");
  if (sampled) {
    absl::StrAppendFormat(text, "  * percentiles of %d drawn at random\n",
                          Distribution::kMaxExactSamples);
  }
}

std::string Loop(const RunOptions& options) {
  if (!options.open_loop()) {
    return absl::StrFormat("closed loop, %d at a time", options.concurrency);
  }
  return absl::StrFormat("open loop, %g a second, at most %d at a time",
                         *options.rate, options.max_outstanding);
}

std::string Head(const RunFacts& facts) {
  const v1::GetModelResponse& model = facts.model;
  std::string text = absl::StrFormat(
      "%s on %s (%s), server %s at %s\n%s, %d connection%s, seed %d\n",
      Printable(model.name()), Printable(model.device()),
      Printable(model.dtype()), Printable(model.server_version()),
      Printable(facts.server), Loop(facts.options), facts.clients,
      facts.clients == 1 ? "" : "s", facts.options.seed);
  for (const Fact& fact : facts.workload) {
    absl::StrAppend(&text, fact.name, " ", Printable(fact.value), "\n");
  }
  absl::StrAppendFormat(&text, "%.3f s measured after %.3f s of warm-up%s\n",
                        absl::ToDoubleSeconds(Window(facts)),
                        absl::ToDoubleSeconds(facts.options.warmup),
                        facts.result.interrupted ? "; interrupted" : "");
  return text;
}

void AppendThroughput(const RunFacts& facts, const Summary& summary,
                      std::string* text) {
  const double seconds = absl::ToDoubleSeconds(Window(facts));
  if (seconds <= 0) return;
  absl::StrAppend(text, "\nthroughput:\n");
  const auto row = [&](absl::string_view name, double sum) {
    absl::StrAppendFormat(text, "  %-24s %12.2f\n", name, sum / seconds);
  };
  if (facts.options.open_loop()) {
    row("requests/s offered", static_cast<double>(summary.all().requests));
  }
  const Work& work = summary.work_in_window();
  row(facts.options.open_loop() ? "requests/s achieved" : "requests/s",
      work.requests);
  row("tokens/s", work.output_tokens);
  row("maps/s", work.maps);
  row("denoising steps/s", work.denoise_steps);
}

void AppendEnds(const RunFacts& facts, const KindSummary& all,
                std::string* text) {
  absl::StrAppendFormat(text,
                        "\n%d requests: %d ok, %d failed, %d cancelled by us\n",
                        all.requests, all.ok, all.failed, all.cancelled);
  for (const auto& [reason, count] : all.finish_reasons) {
    if (reason == "answered") continue;
    absl::StrAppendFormat(text, "  %8d  ok, but not answered: %s\n", count,
                          reason);
  }
  for (const auto& [key, error] : all.errors) {
    absl::StrAppendFormat(text, "  %8d  %s%s%s: %s\n", error.count, key.code,
                          key.reason.empty() ? "" : " ", Printable(key.reason),
                          Printable(error.example));
  }
  if (all.refusals > 0 && !facts.options.open_loop()) {
    absl::StrAppendFormat(
        text, "  waited %.1f s in %d refusals, as the server said\n",
        absl::ToDoubleSeconds(all.waited), all.refusals);
  }
  if (all.delayed > 0) {
    absl::StrAppendFormat(
        text, "  %8d  waited here: at their arrival %d were running\n",
        all.delayed, facts.options.max_outstanding);
  }
}

}  // namespace

absl::Duration Window(const RunFacts& facts) {
  return std::max(facts.result.load_end - facts.options.warmup,
                  absl::ZeroDuration());
}

std::string RenderTable(const RunFacts& facts, const Summary& summary) {
  std::string text = Head(facts);
  const bool open_loop = facts.options.open_loop();
  if (summary.by_kind().size() > 1) {
    for (const auto& [kind, figures] : summary.by_kind()) {
      AppendKind(KindName(kind), figures, open_loop, &text);
    }
    AppendKind("all", summary.all(), open_loop, &text);
  } else if (!summary.by_kind().empty()) {
    const auto& [kind, figures] = *summary.by_kind().begin();
    AppendKind(KindName(kind), figures, open_loop, &text);
  }
  AppendThroughput(facts, summary, &text);
  AppendEnds(facts, summary.all(), &text);
  return text;
}

}  // namespace cooper::client::bench
