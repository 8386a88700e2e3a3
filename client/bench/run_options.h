#ifndef COOPER_CLIENT_BENCH_RUN_OPTIONS_H_
#define COOPER_CLIENT_BENCH_RUN_OPTIONS_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace cooper::client::bench {

// How a load is made.
struct RunOptions {
  // Closed loop: requests that run at once; each end begins the next one, after
  // a refusal once its RetryInfo says so.
  // [1, 1024].
  int concurrency = 8;

  // Open loop, if set: requests a second that arrive at random (Poisson),
  // whether or not earlier ones have ended. Above 0, at most 100000.
  std::optional<double> rate;

  // Open loop: requests that run at once at most; what arrives above it waits
  // here, and the wait counts as latency. A bound that is hit often measures
  // itself. [1, 1024].
  int max_outstanding = 256;

  // How long requests are begun, after `warmup`. Unset: as long as `requests`
  // says, else 10 s.
  std::optional<absl::Duration> duration;

  // Requests that begin this early are sent and not counted.
  absl::Duration warmup;

  // Counted requests, at most. At least 1.
  std::optional<int64_t> requests;

  // Part of the requests that is cancelled, each after a random time of up to
  // `cancel_within`. [0, 1].
  double cancel_share = 0.0;
  absl::Duration cancel_within = absl::Seconds(1);

  // Of arrivals, of the choice of requests, of cancels: the same seed makes the
  // same load.
  uint64_t seed = 1;

  bool open_loop() const { return rate.has_value(); }
  // Requests that can run at once.
  int max_running() const {
    return open_loop() ? max_outstanding : concurrency;
  }
  // When no request begins any more, from the run's begin; infinite where only
  // `requests` ends the run.
  absl::Duration LoadEnd() const;

  // INVALID_ARGUMENT names the field that is wrong.
  absl::Status Validate() const;
};

}  // namespace cooper::client::bench

#endif  // COOPER_CLIENT_BENCH_RUN_OPTIONS_H_
