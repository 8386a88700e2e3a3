#include "server/engine/schedule/fair_share.h"

#include <algorithm>

namespace cooper::engine {

void FairShare::RaiseFloor() {
  absl::Duration least = absl::InfiniteDuration();
  for (const auto& [client, account] : accounts_) {
    if (account.open > 0) least = std::min(least, account.had);
  }
  if (least != absl::InfiniteDuration()) floor_ = std::max(floor_, least);
}

void FairShare::Open(absl::string_view client) {
  RaiseFloor();
  Account& account = accounts_.try_emplace(std::string(client)).first->second;
  if (account.open++ == 0) account.had = std::max(account.had, floor_);
}

void FairShare::Close(absl::string_view client) {
  const auto account = accounts_.find(client);
  if (account == accounts_.end()) return;
  --account->second.open;
  RaiseFloor();
  // Who is away is remembered only while that makes a difference.
  const auto away =
      std::count_if(accounts_.begin(), accounts_.end(),
                    [](const auto& entry) { return entry.second.open == 0; });
  const bool all =
      away == static_cast<int64_t>(accounts_.size()) || away > kMaxAway;
  std::erase_if(accounts_, [&](const auto& entry) {
    return entry.second.open == 0 && (all || entry.second.had <= floor_);
  });
}

void FairShare::Charge(absl::string_view client, absl::Duration device_time) {
  const auto account = accounts_.find(client);
  if (account != accounts_.end()) account->second.had += device_time;
}

absl::Duration FairShare::Lead(absl::string_view client) const {
  const auto account = accounts_.find(client);
  if (account == accounts_.end()) return absl::ZeroDuration();
  absl::Duration least = account->second.had;
  for (const auto& [other, entry] : accounts_) {
    if (entry.open > 0) least = std::min(least, entry.had);
  }
  return account->second.had - least;
}

}  // namespace cooper::engine
