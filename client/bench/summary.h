#ifndef COOPER_CLIENT_BENCH_SUMMARY_H_
#define COOPER_CLIENT_BENCH_SUMMARY_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/bench/distribution.h"
#include "client/bench/sample.h"

namespace cooper::client::bench {

// What is measured of requests that ended well.
enum class Measure {
  kFirstEvent,
  kFirstText,
  kFirstMapStep,
  kTextGap,
  kMap,
  kRequest,
  kSendDelay,  // from arrival to sending
};
inline constexpr int kNumMeasures = 7;

// "first_event", "first_text", "first_map_step", "text_gap", "map", "request",
// "send_delay".
absl::string_view MeasureName(Measure measure);

// An error's kind.
struct ErrorKey {
  std::string code;    // "RESOURCE_EXHAUSTED"
  std::string reason;  // of ErrorInfo; empty: none

  friend bool operator==(const ErrorKey&, const ErrorKey&) = default;
  friend auto operator<=>(const ErrorKey&, const ErrorKey&) = default;
};

struct ErrorCount {
  int64_t count = 0;
  std::string example;  // the first one's message
};

// What work was done: sums over requests.
struct Work {
  double requests = 0.0;
  double output_tokens = 0.0;
  double maps = 0.0;
  double denoise_steps = 0.0;
};

// Counted requests of one kind, or of all.
struct KindSummary {
  int64_t requests = 0;  // ok + failed + cancelled
  int64_t ok = 0;
  int64_t failed = 0;
  int64_t cancelled = 0;
  int64_t delayed = 0;    // by the bound of the open loop
  int64_t refusals = 0;   // failed, to be tried again: RetryInfo came
  absl::Duration waited;  // after them, by callers of the closed loop
  // Of requests that ended well.
  int64_t input_tokens = 0;
  int64_t output_tokens = 0;
  int64_t maps = 0;
  int64_t denoise_steps = 0;
  int64_t text_pieces = 0;
  std::map<std::string, int64_t> finish_reasons;  // short names
  std::map<ErrorKey, ErrorCount> errors;
  std::array<Distribution, kNumMeasures> measures;

  const Distribution& of(Measure measure) const {
    return measures[static_cast<size_t>(measure)];
  }
};

// Adds samples up. Not thread-safe.
class Summary {
 public:
  // Throughput is that of the time from `window_begin` to `window_end` (may be
  // infinite), both since the run's begin.
  Summary(absl::Duration window_begin, absl::Duration window_end)
      : window_begin_(window_begin), window_end_(window_end) {}

  void Add(const Sample& sample);

  const std::map<Kind, KindSummary>& by_kind() const { return by_kind_; }
  const KindSummary& all() const { return all_; }

  // Work of requests that ended well, in the window: a request that was under
  // way at one of its ends counts for the part of its time inside, the
  // warm-up's requests too. So a run need not be long beside its requests.
  const Work& work_in_window() const { return work_; }

 private:
  void AddWork(const Sample& sample);

  const absl::Duration window_begin_;
  const absl::Duration window_end_;
  std::map<Kind, KindSummary> by_kind_;
  KindSummary all_;
  Work work_;
};

}  // namespace cooper::client::bench

#endif  // COOPER_CLIENT_BENCH_SUMMARY_H_
