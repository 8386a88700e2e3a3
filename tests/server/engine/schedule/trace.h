#ifndef COOPER_TESTS_SERVER_ENGINE_SCHEDULE_TRACE_H_
#define COOPER_TESTS_SERVER_ENGINE_SCHEDULE_TRACE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/engine/core/request.h"

namespace cooper::engine {

// A request as a scheduler sees it. One line of JSON each, in
// tests/data/traces:
//   at        seconds from the trace's start
//   client    its name
//   priority  "normal" or "low"
//   rows      tokens of the prompt
//   tokens    that are written, of all texts together
//   maps      that are drawn
//   steps     of each map
//   map_rows  latent tokens of each map
//   deadline  seconds from `at`; left out: none
//   cancel    seconds from `at`; left out: not cancelled
struct TraceRequest {
  absl::Duration at;
  std::string client;
  Priority priority = Priority::kNormal;
  int64_t rows = 0;
  int tokens = 0;
  int maps = 0;
  int steps = 0;
  int64_t map_rows = 0;
  std::optional<absl::Duration> deadline;
  std::optional<absl::Duration> cancel;
  friend bool operator==(const TraceRequest&, const TraceRequest&) = default;
};
using Trace = std::vector<TraceRequest>;

// What a generated trace is like. The same everywhere for the same seed.
struct TraceMix {
  uint64_t seed = 1;
  int count = 100;
  double per_second = 1;  // mean
  int burst = 1;          // requests that come together
  int clients = 4;
  double low = 0;       // part of low priority
  double deadline = 0;  // part with a deadline, of 0.2 to 60 s
  double cancel = 0;    // part that is cancelled within 20 s
};
Trace MakeTrace(const TraceMix& mix);

// `other` among `trace`, by time.
Trace Merge(Trace trace, const Trace& other);

std::string ToJsonLines(const Trace& trace);
Trace FromJsonLines(const std::string& lines);

}  // namespace cooper::engine

#endif  // COOPER_TESTS_SERVER_ENGINE_SCHEDULE_TRACE_H_
