#include "server/engine/schedule/starter.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/engine/core/end_status.h"
#include "server/engine/schedule/start_order.h"

namespace cooper::engine {
namespace {

// An estimate has to exceed what is left of a deadline by this factor before a
// request is refused for it, since the times of batches vary.
constexpr double kCaution = 0.75;
constexpr absl::Duration kPrefillPart = absl::Milliseconds(300);
// Rows of a part before anything is known, and the least that is worth reading
// the weights for.
constexpr int64_t kUnknownPart = 2048;
// Steps of a map from which its pace is told.
constexpr int kFirstPace = 3;

}  // namespace

std::optional<int> Starter::Next(absl::Span<const WaitingRequest> waiting,
                                 absl::Time now) const {
  std::vector<StartCandidate> candidates;
  candidates.reserve(waiting.size());
  for (const WaitingRequest& request : waiting) {
    candidates.push_back({static_cast<int>(candidates.size()), request.priority,
                          now - request.admitted, fair_.Lead(request.client)});
  }
  return NextToStart(candidates, normal_since_low_);
}

void Starter::Started(Priority priority) {
  normal_since_low_ = priority == Priority::kLow ? 0 : normal_since_low_ + 1;
}

int64_t Starter::MaxPrefillPart(int64_t most, absl::Time now) const {
  const int64_t rows = costs_.SizeWithin(BatchKind::kPrefill, kPrefillPart, now)
                           .value_or(kUnknownPart);
  return std::min(std::max(rows, kMinPrefillPart), most);
}

absl::Status Starter::CheckLate(const WaitingRequest& request,
                                absl::Time now) const {
  if (QueueDeadline(request.admitted) <= now) {
    return QueueTimeoutStatus(options_.queue_timeout);
  }
  if (request.least == nullptr) return absl::OkStatus();
  LeastWork work = *request.least;
  if (options_.prefix_caching) work.prefill_rows = 0;
  const absl::Duration least = costs_.Estimate(work, now);
  const absl::Duration left = request.deadline - now;
  return least * kCaution > left ? TooShortStatus(least, left)
                                 : absl::OkStatus();
}

absl::Status Starter::CheckPrefill(int64_t rows, absl::Duration left,
                                   absl::Time now) const {
  const absl::Duration least = costs_.Estimate(BatchKind::kPrefill, rows, now);
  return least * kCaution > left ? TooSlowStatus("prompt", least, left)
                                 : absl::OkStatus();
}

absl::Time Starter::QueueDeadline(absl::Time admitted) const {
  return options_.queue_timeout > absl::ZeroDuration()
             ? admitted + options_.queue_timeout
             : absl::InfiniteFuture();
}

absl::Status CheckPace(int done, int total, absl::Duration took,
                       absl::Duration left) {
  if (done < kFirstPace) return absl::OkStatus();
  const absl::Duration needed = took / done * (total - done);
  return needed * kCaution > left ? TooSlowStatus("map", needed, left)
                                  : absl::OkStatus();
}

absl::Status CheckSize(RequestSize size, const SessionUse* session,
                       const KvBudget& kv, int64_t max_positions) {
  if (session != nullptr) {
    size.kv_tokens += kv.sessions().HeldBy(session->id);
    size.positions += kv.sessions().PositionOf(session->id);
  }
  if (max_positions > 0 && size.positions > max_positions) {
    ErrorDetails details;
    details.reason = ErrorReason::kTooManyPositions;
    details.field = "inputs";
    return MakeError(
        details,
        absl::StrCat(
            "inputs: with the prompts around them and what the session "
            "holds they take ",
            size.positions, " positions; the model has ", max_positions,
            " (max_position_embeddings)"));
  }
  if (size.kv_tokens > kv.capacity_tokens()) {
    return ErrorStatus(ErrorReason::kContextTooLarge,
                       absl::StrCat("the request may need ", size.kv_tokens,
                                    " tokens of context; the server has ",
                                    kv.capacity_tokens()));
  }
  return absl::OkStatus();
}

}  // namespace cooper::engine
