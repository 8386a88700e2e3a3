#ifndef COOPER_CLIENT_BENCH_OUTSTANDING_H_
#define COOPER_CLIENT_BENCH_OUTSTANDING_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "cooper/client/event_stream.h"

namespace cooper::client::bench {

// The calls that run, so that others than their readers can cancel them: at a
// given time, or all at once. Thread-safe. One thread waits for the times.
//
// Invariant: a stream that was removed is not touched any more.
class Outstanding {
 public:
  Outstanding();
  ~Outstanding();
  Outstanding(const Outstanding&) = delete;
  Outstanding& operator=(const Outstanding&) = delete;

  // Watches `stream`, which must live until Remove; `cancel_after` from now it
  // is cancelled. After Stop it is cancelled at once. Returns its name.
  int64_t Add(EventStream* stream, std::optional<absl::Duration> cancel_after)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // True: it was cancelled here, at its time.
  bool Remove(int64_t name) ABSL_LOCKS_EXCLUDED(mutex_);

  // Cancels all that run and all that come. Idempotent.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);
  bool stopped() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits for `duration`, or less where Stop is called. False: stopped.
  bool Sleep(absl::Duration duration) const ABSL_LOCKS_EXCLUDED(mutex_);

  int running() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Call {
    EventStream* stream = nullptr;
    absl::Time cancel_at = absl::InfiniteFuture();
    bool cancelled = false;
  };

  void Watch() ABSL_LOCKS_EXCLUDED(mutex_);

  mutable absl::Mutex mutex_;
  std::map<int64_t, Call> calls_ ABSL_GUARDED_BY(mutex_);
  int64_t next_name_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  absl::CondVar changed_;
  std::thread watcher_;
};

}  // namespace cooper::client::bench

#endif  // COOPER_CLIENT_BENCH_OUTSTANDING_H_
