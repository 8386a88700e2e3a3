#include "server/engine/schedule/scheduler.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "absl/algorithm/container.h"

namespace cooper::engine {
namespace {

// The order in which kinds other than text take turns.
constexpr std::array<BatchKind, 3> kTurns = {
    BatchKind::kPrefill, BatchKind::kVaeDecode, BatchKind::kDenoise};

// Orders items that are ranked already: those before which no other of their
// client comes, then those before which one does, and so on. Items of low
// priority come last, but for those that outrank all others.
void TakeTurns(std::vector<ReadyItem>* ready) {
  struct Turn {
    bool low;
    int of_client;  // items of its client before it
    size_t rank;
    auto operator<=>(const Turn&) const = default;
  };
  int highest = ready->front().priority;
  for (const ReadyItem& item : *ready) {
    highest = std::max(highest, item.priority);
  }
  std::map<int, int> seen;  // of each client
  bool seen_highest = false;
  std::vector<std::pair<Turn, ReadyItem>> turns;
  turns.reserve(ready->size());
  for (size_t i = 0; i < ready->size(); ++i) {
    const ReadyItem& item = (*ready)[i];
    seen_highest |= item.priority == highest;
    turns.push_back(
        {{item.priority < highest && seen_highest, seen[item.client]++, i},
         item});
  }
  std::sort(turns.begin(), turns.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 0; i < turns.size(); ++i) (*ready)[i] = turns[i].second;
}

}  // namespace

std::optional<Batch> Scheduler::Plan(std::vector<ReadyItem> ready,
                                     const std::vector<BatchKind>& under_way,
                                     int64_t max_prefill_rows) {
  const auto is_ready = [&](BatchKind kind) {
    if (absl::c_linear_search(under_way, kind)) return true;
    return std::any_of(ready.begin(), ready.end(), [&](const ReadyItem& item) {
      return item.kind == kind;
    });
  };
  std::optional<BatchKind> other;
  const auto last_turn = std::find(kTurns.begin(), kTurns.end(), last_other_);
  for (size_t i = 1; i <= kTurns.size() && !other.has_value(); ++i) {
    const BatchKind kind = kTurns[(last_turn - kTurns.begin() + i) % 3];
    if (is_ready(kind)) other = kind;
  }

  Batch batch;
  if (is_ready(BatchKind::kDecode) &&
      (last_ != BatchKind::kDecode || !other.has_value())) {
    batch.kind = BatchKind::kDecode;
  } else if (other.has_value()) {
    batch.kind = *other;
    last_other_ = *other;
  } else {
    return std::nullopt;
  }
  last_ = batch.kind;
  if (absl::c_linear_search(under_way, batch.kind)) {
    batch.go_on = true;
    return batch;
  }

  std::erase_if(ready,
                [&](const ReadyItem& item) { return item.kind != batch.kind; });
  const auto rank = [&](const ReadyItem& item) {
    return std::pair(
        item.waiting_since - item.priority * budgets_.priority_head_start,
        item.request);
  };
  std::sort(ready.begin(), ready.end(),
            [&](const ReadyItem& a, const ReadyItem& b) {
              return rank(a) < rank(b);
            });
  TakeTurns(&ready);
  int64_t budget = budgets_.denoise_rows;
  if (batch.kind == BatchKind::kPrefill) {
    budget = std::min(budgets_.prefill_rows, max_prefill_rows);
    batch.max_rows = budget;
  }
  int64_t rows = 0;
  for (const ReadyItem& item : ready) {
    const bool first = batch.requests.empty();
    switch (batch.kind) {
      case BatchKind::kDecode:
        break;
      case BatchKind::kVaeDecode:
        if (!first) return batch;
        break;
      case BatchKind::kPrefill:
      case BatchKind::kDenoise:
        // Nobody overtakes one that did not fit: it would wait for ever.
        if (!first && rows + item.rows > budget) return batch;
        rows += item.rows;
        break;
    }
    batch.requests.push_back(item.request);
  }
  return batch;
}

}  // namespace cooper::engine
