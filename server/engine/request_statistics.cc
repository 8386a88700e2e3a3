#include "server/engine/request_statistics.h"

namespace cooper::engine {

void RequestStatistics::Succeeded(RequestKind kind, const Usage& usage,
                                  absl::Duration prepared, absl::Time now) {
  base::MutexLock lock(&mutex_);
  KindStatistics& counts = kinds_[static_cast<size_t>(kind)];
  ++counts.succeeded;
  counts.succeeded_for += usage.total;
  counts.queued += usage.queued;
  counts.prepared += prepared;
  counts.computed += usage.prefill + usage.decode + usage.denoise + usage.vae;
  counts.encoded += usage.image - prepared;
  counts.last = now;
}

void RequestStatistics::Failed(RequestKind kind, absl::Duration total,
                               absl::Time now) {
  base::MutexLock lock(&mutex_);
  KindStatistics& counts = kinds_[static_cast<size_t>(kind)];
  ++counts.failed;
  counts.failed_for += total;
  counts.last = now;
}

KindStatistics RequestStatistics::Of(RequestKind kind) const {
  base::MutexLock lock(&mutex_);
  return kinds_[static_cast<size_t>(kind)];
}

}  // namespace cooper::engine
