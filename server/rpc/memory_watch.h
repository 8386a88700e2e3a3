#ifndef COOPER_SERVER_RPC_MEMORY_WATCH_H_
#define COOPER_SERVER_RPC_MEMORY_WATCH_H_

#include <atomic>
#include <functional>

#include "absl/time/time.h"
#include "base/host_memory.h"
#include "server/metrics/server_metrics.h"

namespace cooper::rpc {

// Keeps the process away from the memory limit of its control group (or from
// the end of the machine's memory), where the kernel would kill it: above 90 %
// new work is refused and unused heap memory goes back to the system. Work is
// taken again below 80 %, or below 90 % once the server is idle, since all that
// is left then is what it needs for itself.
//
// It has no thread: the watchdog calls Check. `sheds` is thread-safe.
class MemoryWatch {
 public:
  struct Options {
    // Null: base::ReadHostMemory.
    std::function<base::HostMemory()> read;
    // Gives unused heap memory back. Null: malloc_trim.
    std::function<void()> trim;
  };

  // `metrics` must outlive it.
  MemoryWatch(Options options, metrics::ServerMetrics* metrics);

  // Whether new work is to be refused.
  bool sheds() const { return sheds_.load(std::memory_order_relaxed); }

  // Reads the memory at `now` and decides anew. `idle`: no request runs or
  // waits. From one thread; may block for some ms while it trims, at most every
  // 10 s.
  void Check(absl::Time now, bool idle);

 private:
  void Change(bool sheds, const base::HostMemory& memory);

  const Options options_;
  metrics::ServerMetrics& metrics_;
  absl::Time next_trim_ = absl::InfinitePast();
  std::atomic<bool> sheds_{false};
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_MEMORY_WATCH_H_
