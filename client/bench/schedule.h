#ifndef COOPER_CLIENT_BENCH_SCHEDULE_H_
#define COOPER_CLIENT_BENCH_SCHEDULE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "absl/time/time.h"
#include "client/bench/run_options.h"
#include "client/bench/workload.h"

namespace cooper::client::bench {

// A request to be sent. Times are since the run's begin.
struct Ticket {
  int64_t index = 0;  // from 0, warm-up included
  size_t item = 0;    // of the workload
  absl::Duration arrival;
  bool counted = false;  // after the warm-up
  // From `arrival`; unset: is not cancelled.
  std::optional<absl::Duration> cancel_after;
};

// Which request comes when: a pure function of options, workload and, in the
// closed loop, the times at which it is asked. What the nth request asks, and
// whether it is cancelled, depends on the seed alone; so do all arrivals of the
// open loop. Not thread-safe.
class Schedule {
 public:
  // `options` are valid.
  Schedule(const RunOptions& options, const Workload& workload);

  // The next request, or nothing: the run is over. Closed loop: it arrives
  // `now`. Open loop: it has its own arrival, which may be past or to come.
  std::optional<Ticket> Next(absl::Duration now);

  // Whether the load's time ended the run, and not the number of requests.
  bool time_is_up() const { return time_is_up_; }

 private:
  size_t ChooseItem(int64_t index);

  const RunOptions options_;
  const bool in_order_;
  std::vector<double> weights_;  // summed up to each item
  // One engine a purpose, so that an option of one does not change another.
  std::mt19937_64 arrivals_;
  std::mt19937_64 choices_;
  std::mt19937_64 cancels_;
  absl::Duration last_arrival_;
  bool time_is_up_ = false;
  int64_t issued_ = 0;
  int64_t counted_ = 0;
};

}  // namespace cooper::client::bench

#endif  // COOPER_CLIENT_BENCH_SCHEDULE_H_
