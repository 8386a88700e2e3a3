#ifndef COOPER_SERVER_ENGINE_SCHEDULE_SCHEDULER_H_
#define COOPER_SERVER_ENGINE_SCHEDULE_SCHEDULER_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "server/engine/core/phase.h"

namespace cooper::engine {

struct ReadyItem {
  int request = 0;  // the caller's number
  BatchKind kind = BatchKind::kDecode;
  int64_t rows = 0;          // kPrefill, kDenoise
  absl::Time waiting_since;  // since this piece of work is ready
  int priority = 0;          // higher goes first
  int client = 0;            // the caller's number of it
};

struct Budgets {
  int64_t prefill_rows = 8192;
  int64_t denoise_rows = 16384;
  // What one step of priority is worth in waiting time: low priority is late,
  // never starved.
  absl::Duration priority_head_start = absl::Seconds(2);
};

struct Batch {
  BatchKind kind = BatchKind::kDecode;
  // Go on with what is under way of the kind; `requests` is empty.
  bool go_on = false;
  std::vector<int> requests;  // in the order of the batch
  int64_t max_rows = 0;       // kPrefill: of each request
};

// Which work goes next. A pure function of its input and of what it planned
// last; no thread, no clock.
//
// Within a kind who waits longest goes first, and clients take turns: after
// what of each waits longest comes the second of each, and so on. So a client
// gets its share of batches under a budget however many requests it has. Low
// priority comes last, unless it waits longer than all others by its head
// start.
//
// Texts go first: all of them in one batch, and between any two batches of
// other kinds as long as some are in text. The others take turns (appends,
// latents, denoisers), so that each ready kind runs within three such batches;
// of what goes slice by slice, each slice is such a batch. Others join the
// first under the budget; a request that alone passes it goes alone. Of latents
// one map goes at a time.
class Scheduler {
 public:
  explicit Scheduler(Budgets budgets) : budgets_(budgets) {}

  // nullopt: nothing is ready. `under_way`: the kinds of which something is
  // part done; what is ready of them has to wait for its end.
  // `max_prefill_rows`: a budget for this prefill batch that is smaller than
  // that of Budgets.
  std::optional<Batch> Plan(
      std::vector<ReadyItem> ready, const std::vector<BatchKind>& under_way,
      int64_t max_prefill_rows = std::numeric_limits<int64_t>::max());

 private:
  Budgets budgets_;
  BatchKind last_ = BatchKind::kVaeDecode;
  BatchKind last_other_ = BatchKind::kDenoise;  // the last that was not kDecode
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_SCHEDULE_SCHEDULER_H_
