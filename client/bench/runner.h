#ifndef COOPER_CLIENT_BENCH_RUNNER_H_
#define COOPER_CLIENT_BENCH_RUNNER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/bench/outstanding.h"
#include "client/bench/run_options.h"
#include "client/bench/sample.h"
#include "client/bench/schedule.h"
#include "client/bench/workload.h"
#include "cooper/client/client.h"

namespace cooper::client::bench {

// How far a run is.
struct RunState {
  absl::Duration elapsed;
  int running = 0;
  int64_t ok = 0;  // warm-up included, as below
  int64_t failed = 0;
  int64_t cancelled = 0;
};

// How a run went.
struct RunResult {
  // When the last request was begun, or could have been: throughput is over the
  // time up to here. Since the run's begin.
  absl::Duration load_end;
  bool interrupted = false;
};

// Sends a workload as the options say, with a thread for each request that can
// run at once. In the open loop a thread takes the next arrival and waits for
// it, so an arrival that finds no thread free is taken late, and is told as
// `delayed`; its times count from the arrival, not from the sending. The run
// begins with the making of its runner.
class Runner {
 public:
  // Called with each request, one call at a time, on any thread.
  using Sink = std::function<void(const Sample&)>;

  // `options` are valid; requests go round the clients, at least one. Clients
  // and workload must live as long as the runner.
  Runner(const RunOptions& options, const Workload& workload,
         const std::vector<std::unique_ptr<Client>>& clients,
         const CallOptions& call_options, Sink sink);

  // Blocks until the last request has ended. `on_tick` is called on this thread
  // every half second. Call once.
  RunResult Run(const std::function<void(const RunState&)>& on_tick)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends the run soon: no new request, those under way are cancelled. From any
  // thread, once or more, also before Run.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Duration Elapsed() const;
  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  void RunOne(const Ticket& ticket, bool delayed) ABSL_LOCKS_EXCLUDED(mutex_);
  void Keep(const Sample& sample) ABSL_LOCKS_EXCLUDED(mutex_);

  const RunOptions options_;
  const Workload& workload_;
  const std::vector<std::unique_ptr<Client>>& clients_;
  const CallOptions call_options_;
  const Sink sink_;
  const std::chrono::steady_clock::time_point begin_;
  Outstanding outstanding_;  // thread-safe

  absl::Mutex mutex_;
  Schedule schedule_ ABSL_GUARDED_BY(mutex_);
  RunState state_ ABSL_GUARDED_BY(mutex_);
  int workers_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<absl::Duration> stopped_at_ ABSL_GUARDED_BY(mutex_);
  absl::Mutex sink_mutex_;
};

}  // namespace cooper::client::bench

#endif  // COOPER_CLIENT_BENCH_RUNNER_H_
