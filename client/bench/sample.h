#ifndef COOPER_CLIENT_BENCH_SAMPLE_H_
#define COOPER_CLIENT_BENCH_SAMPLE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/bench/schedule.h"
#include "client/bench/workload.h"

namespace cooper::client::bench {

// How a request ended, as a load test sees it.
enum class Outcome {
  kOk,
  kFailed,
  kCancelled,    // by --cancel_share
  kInterrupted,  // by the end of the run: counts nowhere
};

// One request, measured. Times are since the run's begin.
struct Sample {
  Ticket ticket;
  Kind kind = Kind::kAsk;
  Outcome outcome = Outcome::kOk;
  absl::Duration start;  // when it was sent; its arrival or later
  absl::Duration end;
  // Open loop: at its arrival as many ran as may.
  bool delayed = false;

  // Not OK: the code, the server's reason (empty: it gave none), and words.
  absl::StatusCode code = absl::StatusCode::kOk;
  std::string reason;
  std::string message;
  // RetryInfo of the server; unset: none came, and the request was not refused
  // for now.
  std::optional<absl::Duration> retry_delay;
  // Closed loop: how long the caller then waited before its next request.
  absl::Duration waited;

  // Since the arrival.
  std::optional<absl::Duration> first_event;
  std::optional<absl::Duration> first_text;
  std::optional<absl::Duration> first_map_step;
  // From one piece of a text to the next. The server sends a piece a token,
  // except where it joins pieces because the reader is slow.
  std::vector<absl::Duration> text_gaps;
  // From a map's start to its last byte.
  std::vector<absl::Duration> map_times;

  int64_t events = 0;
  int64_t text_pieces = 0;
  // Of `finished`; empty without it.
  v1::Usage usage;
  v1::FinishReason finish_reason = v1::FINISH_REASON_UNSPECIFIED;

  absl::Duration latency() const { return end - ticket.arrival; }
};

}  // namespace cooper::client::bench

#endif  // COOPER_CLIENT_BENCH_SAMPLE_H_
