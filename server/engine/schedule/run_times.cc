#include "server/engine/schedule/run_times.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace cooper::engine {
namespace {

// Weight of the latest request in the moving means.
constexpr double kWeight = 0.2;
// Mean deviations above the mean that most requests stay below.
constexpr double kLikelyDeviations = 2;

WorkClass ClassOf(const Task& task) {
  if (const auto* reason = std::get_if<ReasonTask>(&task)) {
    switch (reason->mode) {
      case Mode::kTextOnly:
        return WorkClass::kText;
      case Mode::kInterleaved:
        return WorkClass::kInterleaved;
      case Mode::kPerceiveThenAnswer:
        return WorkClass::kPerceive;
    }
  }
  switch (KindOf(task)) {
    case RequestKind::kDepth:
      return WorkClass::kDepth;
    case RequestKind::kSegmentation:
      return WorkClass::kSegmentation;
    default:
      return WorkClass::kImage;
  }
}

}  // namespace

WorkSize WorkSizeOf(const Task& task, const model::FlowOptions& flow) {
  WorkSize work{ClassOf(task)};
  if (work.work_class != WorkClass::kText &&
      work.work_class != WorkClass::kInterleaved) {
    work.size = std::max(1, flow.num_timesteps - 1);
  }
  return work;
}

void RunTimes::Observe(const WorkSize& work, absl::Duration ran, bool finished,
                       absl::Time now) {
  Average& average = averages_[static_cast<size_t>(work.work_class)];
  const bool known = Find(work.work_class, now) != nullptr;
  const double value = absl::ToDoubleSeconds(ran) / work.size;
  if (!finished && known && value <= average.mean) return;
  if (!known) {
    average = {value, 0, now};
    return;
  }
  average.deviation +=
      kWeight * (std::abs(value - average.mean) - average.deviation);
  average.mean += kWeight * (value - average.mean);
  average.last = now;
}

const RunTimes::Average* RunTimes::Find(WorkClass work_class,
                                        absl::Time now) const {
  const Average& average = averages_[static_cast<size_t>(work_class)];
  return now - average.last <= kMemory ? &average : nullptr;
}

absl::Duration RunTimes::Mean(const WorkSize& work, absl::Time now) const {
  const Average* average = Find(work.work_class, now);
  if (average == nullptr) return absl::ZeroDuration();
  return absl::Seconds(average->mean * work.size);
}

absl::Duration RunTimes::Likely(const WorkSize& work, absl::Time now) const {
  const Average* average = Find(work.work_class, now);
  if (average == nullptr) return absl::ZeroDuration();
  return absl::Seconds(
      (average->mean + kLikelyDeviations * average->deviation) * work.size);
}

}  // namespace cooper::engine
