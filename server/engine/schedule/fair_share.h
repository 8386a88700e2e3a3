#ifndef COOPER_SERVER_ENGINE_SCHEDULE_FAIR_SHARE_H_
#define COOPER_SERVER_ENGINE_SCHEDULE_FAIR_SHARE_H_

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace cooper::engine {

// How much device time each client had, for a choice among clients. Only
// differences count: one that comes anew, or had less than all others while it
// was away, begins level with the one that had the least.
//
// Pure; not thread-safe. Bounded by the open requests and kMaxAway clients.
class FairShare {
 public:
  static constexpr int kMaxAway = 1024;

  // A request of the client is open from Open to Close.
  void Open(absl::string_view client);
  void Close(absl::string_view client);
  // The device worked that long for an open request of it.
  void Charge(absl::string_view client, absl::Duration device_time);
  // What it had beyond the open client that had the least.
  absl::Duration Lead(absl::string_view client) const;
  int clients() const { return static_cast<int>(accounts_.size()); }

 private:
  struct Account {
    int open = 0;
    absl::Duration had;
  };
  // Level of the open client that had the least; never falls.
  void RaiseFloor();

  std::map<std::string, Account, std::less<>> accounts_;
  absl::Duration floor_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_SCHEDULE_FAIR_SHARE_H_
