#ifndef COOPER_SERVER_ENGINE_SCHEDULE_RUN_TIMES_H_
#define COOPER_SERVER_ENGINE_SCHEDULE_RUN_TIMES_H_

#include <array>

#include "absl/time/time.h"
#include "server/engine/core/request.h"

namespace cooper::engine {

// Requests of one class take similar times for each unit of their size.
enum class WorkClass {
  kText,         // a question answered without maps
  kInterleaved,  // a question for which the model may generate maps
  kPerceive,     // a question with two maps, then the answer
  kDepth,
  kSegmentation,
  kImage
};
inline constexpr int kNumWorkClasses = 6;

struct WorkSize {
  WorkClass work_class = WorkClass::kText;
  // Denoising steps of a map or image; 1 where the number of maps is not known.
  double size = 1;
};
WorkSize WorkSizeOf(const Task& task, const model::FlowOptions& flow);

// How long requests ran lately, from their start to their end and beside
// whatever ran with them: a moving mean of each class, and the mean deviation
// from it, per unit of size. A class that was not observed for kMemory is not
// known, so that no estimate outlives its cause.
//
// Deterministic; no clock. Not thread-safe.
class RunTimes {
 public:
  static constexpr absl::Duration kMemory = absl::Minutes(10);

  // A request ran for so long. `finished`: to its end; else it would have taken
  // longer, so it counts only if it ran for longer than the mean.
  void Observe(const WorkSize& work, absl::Duration ran, bool finished,
               absl::Time now);
  // Mean; zero: not known.
  absl::Duration Mean(const WorkSize& work, absl::Time now) const;
  // Most requests take no longer than this; zero: not known.
  absl::Duration Likely(const WorkSize& work, absl::Time now) const;

 private:
  struct Average {
    double mean = 0, deviation = 0;  // seconds per unit of size
    absl::Time last = absl::InfinitePast();
  };
  // Null: not known.
  const Average* Find(WorkClass work_class, absl::Time now) const;

  std::array<Average, kNumWorkClasses> averages_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_SCHEDULE_RUN_TIMES_H_
