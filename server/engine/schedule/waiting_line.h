#ifndef COOPER_SERVER_ENGINE_SCHEDULE_WAITING_LINE_H_
#define COOPER_SERVER_ENGINE_SCHEDULE_WAITING_LINE_H_

#include <array>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/engine/core/request.h"
#include "server/engine/schedule/run_times.h"

namespace cooper::engine {

// What the line keeps of a request.
struct LineEntry {
  std::string client;
  Priority priority = Priority::kNormal;
  WorkSize work;
};

LineEntry LineEntryOf(const Request& request);

// The requests that run and those that wait for a start, and from how long such
// requests run, how long one that comes now will wait. With P places whose
// requests run for T on average one ends every T / P (Little's law), however
// they share the device.
//
// Clients take turns (start_order.h), so ahead of the nth request of a client
// are at most n of each other; low priority waits for normal.
//
// Deterministic; no clock. Not thread-safe.
class WaitingLine {
 public:
  // Requests that can run at once, at least 1.
  explicit WaitingLine(int places) : places_(places) {}

  void Enter(const LineEntry& entry);
  // It ends without having been started.
  void Leave(const LineEntry& entry);
  // It leaves the line and runs.
  void Start(const LineEntry& entry);
  // It ran for `ran`. `finished`: to its end.
  void End(const LineEntry& entry, absl::Duration ran, bool finished,
           absl::Time now);
  // How many can run at once by now, as where memory holds others back.
  void SetPlaces(int places) { places_ = places; }

  // How long a request that enters now waits for its start. nullopt: not at
  // all, since there is a place for it. Zero: not known.
  std::optional<absl::Duration> Wait(const LineEntry& entry,
                                     absl::Time now) const;
  const RunTimes& run_times() const { return run_times_; }

  int waiting() const { return waiting_; }
  int waiting_of(absl::string_view client) const;
  // The client with the most that wait; empty: none waits.
  std::string Heaviest() const;

 private:
  // Of one client and priority: sums over the requests that wait.
  struct Sums {
    int count = 0;
    std::array<double, kNumWorkClasses> size = {};
  };
  struct Client {
    Sums normal, low;
  };
  struct Ahead {
    double count = 0;
    absl::Duration run;  // of all of them
  };
  void Remove(const LineEntry& entry);
  Sums& SumsOf(const LineEntry& entry);
  // Adds at most `most` of what waits there.
  void Add(const Sums& sums, int most, absl::Time now, Ahead* ahead) const;

  int places_;
  int running_ = 0;
  int waiting_ = 0;
  std::map<std::string, Client, std::less<>> clients_;  // that have any waiting
  RunTimes run_times_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_SCHEDULE_WAITING_LINE_H_
