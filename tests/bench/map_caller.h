#ifndef COOPER_TESTS_BENCH_MAP_CALLER_H_
#define COOPER_TESTS_BENCH_MAP_CALLER_H_

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "cooper/client/client.h"

namespace cooper::bench {

// PNG of a picture without meaning; another seed, another picture.
std::string Picture(int width, int height, int seed);

v1::EstimateDepthRequest DepthOf(int width, int height, int seed, int steps);

// Asks for one depth map on a thread of its own and notes when things happen.
class MapCaller {
 public:
  using Time = std::chrono::steady_clock::time_point;

  MapCaller(std::unique_ptr<client::Client> client,
            const v1::EstimateDepthRequest& request);
  // Cancels what still runs, and waits for it.
  ~MapCaller();

  // Each waits; the time is that of the client's having it. `AwaitEnd` ends
  // the program where the call failed and was not cancelled.
  Time AwaitAdmitted() { return Await(&MapCaller::admitted_); }
  Time AwaitFirstStep() { return Await(&MapCaller::first_step_); }
  Time AwaitEnd() { return Await(&MapCaller::end_); }

  void Cancel();

 private:
  using Member = std::optional<Time> MapCaller::*;
  Time Await(Member what) ABSL_LOCKS_EXCLUDED(mutex_);
  void Note(Member what) ABSL_LOCKS_EXCLUDED(mutex_);
  void Read();

  const std::unique_ptr<client::Client> client_;
  const std::unique_ptr<client::EventStream> stream_;
  base::Mutex mutex_;
  std::optional<Time> admitted_ ABSL_GUARDED_BY(mutex_);
  std::optional<Time> first_step_ ABSL_GUARDED_BY(mutex_);
  std::optional<Time> end_ ABSL_GUARDED_BY(mutex_);
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_MAP_CALLER_H_
