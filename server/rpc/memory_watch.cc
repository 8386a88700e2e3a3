#include "server/rpc/memory_watch.h"

#include <malloc.h>

#include <utility>

#include "base/logging.h"

namespace cooper::rpc {
namespace {

constexpr double kShedAbove = 0.9;  // of the limit
constexpr double kRecoverBelow = 0.8;
constexpr absl::Duration kTrimInterval = absl::Seconds(10);

}  // namespace

MemoryWatch::MemoryWatch(Options options, metrics::ServerMetrics* metrics)
    : options_{options.read != nullptr ? std::move(options.read)
                                       : [] { return base::ReadHostMemory(); },
               options.trim != nullptr ? std::move(options.trim)
                                       : [] { malloc_trim(0); }},
      metrics_(*metrics) {}

void MemoryWatch::Check(absl::Time now, bool idle) {
  const base::HostMemory memory = options_.read();
  const auto used = static_cast<double>(memory.total_bytes - memory.free_bytes);
  const auto total = static_cast<double>(memory.total_bytes);
  const bool sheds =
      used > (sheds_ && !idle ? kRecoverBelow : kShedAbove) * total;
  if (sheds != sheds_) Change(sheds, memory);
  if (!sheds || now < next_trim_) return;
  next_trim_ = now + kTrimInterval;
  options_.trim();
}

void MemoryWatch::Change(bool sheds, const base::HostMemory& memory) {
  sheds_ = sheds;
  metrics_.SetOverloadState(sheds ? metrics::OverloadState::kMemory
                                  : metrics::OverloadState::kNormal);
  base::Log(sheds ? base::LogLevel::kWarning : base::LogLevel::kInfo,
            sheds ? "memory is short: new work is refused"
                  : "memory is free again: new work is taken",
            {{"free_mib", memory.free_bytes >> 20},
             {"limit_mib", memory.total_bytes >> 20}});
}

}  // namespace cooper::rpc
