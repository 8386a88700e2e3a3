#ifndef COOPER_SERVER_ENGINE_SCHEDULE_COST_ESTIMATOR_H_
#define COOPER_SERVER_ENGINE_SCHEDULE_COST_ESTIMATOR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "server/engine/core/phase.h"
#include "server/engine/schedule/least_work.h"

namespace cooper::engine {

// What batches took lately, as a line over their size; and so what work to come
// will take at least. Old batches fade; what was not seen for kMemory is not
// known, so that no estimate outlives its cause.
//
// Pure; not thread-safe.
class CostEstimator {
 public:
  static constexpr absl::Duration kMemory = absl::Minutes(1);

  // `size`: rows; of kVaeDecode: maps.
  void Observe(BatchKind kind, int64_t size, absl::Duration took,
               absl::Time now);
  // Zero for what is not known.
  absl::Duration Estimate(BatchKind kind, int64_t size, absl::Time now) const;
  absl::Duration Estimate(const LeastWork& work, absl::Time now) const;
  // Size that took `within` on average; nullopt: not known.
  std::optional<int64_t> SizeWithin(BatchKind kind, absl::Duration within,
                                    absl::Time now) const;

 private:
  // Sums over batches, each weighing the less the older it is.
  struct Line {
    double weight = 0, size = 0, took = 0, size_size = 0, size_took = 0;
    absl::Time last = absl::InfinitePast();
  };
  // The line's mean, and its slope; none where sizes vary too little.
  struct Fit {
    double size, took;
    std::optional<double> slope;
  };
  std::optional<Fit> FitOf(BatchKind kind, absl::Time now) const;

  std::array<Line, 4> lines_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_SCHEDULE_COST_ESTIMATOR_H_
