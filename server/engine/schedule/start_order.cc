#include "server/engine/schedule/start_order.h"

#include <algorithm>
#include <tuple>

namespace cooper::engine {

std::optional<int> NextToStart(absl::Span<const StartCandidate> candidates,
                               int normal_since_low, const StartRules& rules) {
  const bool low_turn = normal_since_low >= rules.normal_per_low;
  const auto level = [&](const StartCandidate& candidate) {
    if (candidate.priority == Priority::kNormal) return 1;
    return low_turn && candidate.waited >= rules.low_patience ? 0 : 2;
  };
  const auto rank = [&](const StartCandidate& candidate) {
    return std::tuple(level(candidate),
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
