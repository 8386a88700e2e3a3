#include "server/engine/start_order.h"

#include <algorithm>
#include <tuple>

namespace cooper::engine {

std::optional<int> NextToStart(absl::Span<const StartCandidate> candidates,
                               const StartRules& rules) {
  const auto rank = [&](const StartCandidate& candidate) {
    const bool low = candidate.priority == Priority::kLow &&
                     candidate.waited < rules.low_becomes_normal;
    return std::tuple(low,
                      candidate.lead - candidate.waited / rules.wait_per_lead,
                      -candidate.waited, candidate.index);
  };
  const auto next =
      std::min_element(candidates.begin(), candidates.end(),
                       [&](const StartCandidate& a, const StartCandidate& b) {
                         return rank(a) < rank(b);
                       });
  if (next == candidates.end()) return std::nullopt;
  return next->index;
}

}  // namespace cooper::engine
