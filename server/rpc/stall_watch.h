#ifndef COOPER_SERVER_RPC_STALL_WATCH_H_
#define COOPER_SERVER_RPC_STALL_WATCH_H_

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace cooper::rpc {

// The streams whose readers are watched. It has no thread: someone calls
// `Check` now and then.
//
// Thread-safe. `Remove` does not return while `Check` is inside that stream, so
// a stream may be destroyed after it.
class StallWatch {
 public:
  class Stream {
   public:
    Stream() = default;
    virtual ~Stream() = default;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    // Ends the call if its reader has stalled for too long at `now`; must not
    // block, nor call the watch.
    virtual void OnTick(absl::Time now) = 0;
  };

  void Add(Stream* stream) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    streams_.insert(stream);
  }
  void Remove(Stream* stream) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    streams_.erase(stream);
  }
  void Check(absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    for (Stream* stream : streams_) stream->OnTick(now);
  }

 private:
  base::Mutex mutex_;
  absl::flat_hash_set<Stream*> streams_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_STALL_WATCH_H_
