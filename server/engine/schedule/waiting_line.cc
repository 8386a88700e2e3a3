#include "server/engine/schedule/waiting_line.h"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace cooper::engine {

LineEntry LineEntryOf(const Request& request) {
  return {request.client, request.priority,
          WorkSizeOf(request.task, request.flow)};
}

WaitingLine::Sums& WaitingLine::SumsOf(const LineEntry& entry) {
  Client& client = clients_[entry.client];
  return entry.priority == Priority::kLow ? client.low : client.normal;
}

void WaitingLine::Enter(const LineEntry& entry) {
  ++waiting_;
  Sums& sums = SumsOf(entry);
  ++sums.count;
  sums.size[static_cast<size_t>(entry.work.work_class)] += entry.work.size;
}

void WaitingLine::Remove(const LineEntry& entry) {
  --waiting_;
  Sums& sums = SumsOf(entry);
  --sums.count;
  sums.size[static_cast<size_t>(entry.work.work_class)] -= entry.work.size;
  if (waiting_of(entry.client) == 0) clients_.erase(entry.client);
}

void WaitingLine::Leave(const LineEntry& entry) { Remove(entry); }

void WaitingLine::Start(const LineEntry& entry) {
  Remove(entry);
  ++running_;
}

void WaitingLine::End(const LineEntry& entry, absl::Duration ran, bool finished,
                      absl::Time now) {
  --running_;
  run_times_.Observe(entry.work, ran, finished, now);
}

void WaitingLine::Add(const Sums& sums, int most, absl::Time now,
                      Ahead* ahead) const {
  if (sums.count == 0) return;
  const double part = std::min(
      1.0, static_cast<double>(most) / static_cast<double>(sums.count));
  ahead->count += part * sums.count;
  for (int i = 0; i < kNumWorkClasses; ++i) {
    ahead->run += part * run_times_.Mean({static_cast<WorkClass>(i),
                                          sums.size[static_cast<size_t>(i)]},
                                         now);
  }
}

std::optional<absl::Duration> WaitingLine::Wait(const LineEntry& entry,
                                                absl::Time now) const {
  constexpr int kAll = std::numeric_limits<int>::max();
  const bool low = entry.priority == Priority::kLow;
  const auto own = clients_.find(entry.client);
  int turn = 1;
  if (own != clients_.end()) {
    turn += low ? own->second.low.count : own->second.normal.count;
  }
  Ahead ahead;
  for (const auto& [name, client] : clients_) {
    Add(client.normal, low ? kAll : turn, now, &ahead);
    if (low) Add(client.low, turn, now, &ahead);
  }
  // Starts before its own, beyond those for which there is a place.
  const double ends = ahead.count + 1 - std::max(0, places_ - running_);
  if (ends <= 0) return std::nullopt;
  const absl::Duration run = ahead.count > 0 ? ahead.run / ahead.count
                                             : run_times_.Mean(entry.work, now);
  return run * ends / places_;
}

int WaitingLine::waiting_of(absl::string_view client) const {
  const auto found = clients_.find(client);
  if (found == clients_.end()) return 0;
  return found->second.normal.count + found->second.low.count;
}

std::string WaitingLine::Heaviest() const {
  std::string heaviest;
  int most = 0;
  for (const auto& [name, client] : clients_) {
    const int count = client.normal.count + client.low.count;
    if (count <= most) continue;
    most = count;
    heaviest = name;
  }
  return heaviest;
}

}  // namespace cooper::engine
