#ifndef COOPER_SERVER_ENGINE_REQUEST_STATISTICS_H_
#define COOPER_SERVER_ENGINE_REQUEST_STATISTICS_H_

#include <array>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "server/engine/core/event.h"
#include "server/engine/core/request.h"

namespace cooper::engine {

// What became of the admitted requests of one kind since the start. Durations
// are sums; all but `failed_for` are of the requests that succeeded.
struct KindStatistics {
  int64_t succeeded = 0;
  int64_t failed = 0;                        // cancelled ones too
  absl::Duration succeeded_for, failed_for;  // from admission to the end
  absl::Duration queued;
  absl::Duration prepared;  // files decoded and resized
  absl::Duration computed;  // on the device
  absl::Duration encoded;   // maps rendered and encoded
  absl::Time last =
      absl::InfinitePast();  // end of the last one, of base::Clock
};

// Counts the requests of an engine by their kind. Thread-safe.
class RequestStatistics {
 public:
  // `prepared`: the part of usage.image before the request started.
  void Succeeded(RequestKind kind, const Usage& usage, absl::Duration prepared,
                 absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);
  void Failed(RequestKind kind, absl::Duration total, absl::Time now)
      ABSL_LOCKS_EXCLUDED(mutex_);

  KindStatistics Of(RequestKind kind) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  static constexpr size_t kKinds = static_cast<size_t>(RequestKind::kImage) + 1;

  mutable base::Mutex mutex_;
  std::array<KindStatistics, kKinds> kinds_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_REQUEST_STATISTICS_H_
