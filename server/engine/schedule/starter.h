#ifndef COOPER_SERVER_ENGINE_SCHEDULE_STARTER_H_
#define COOPER_SERVER_ENGINE_SCHEDULE_STARTER_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/engine/core/request.h"
#include "server/engine/memory/kv_budget.h"
#include "server/engine/schedule/cost_estimator.h"
#include "server/engine/schedule/fair_share.h"
#include "server/engine/schedule/least_work.h"

namespace cooper::engine {

// A request that waits to be prepared or to start.
struct WaitingRequest {
  Priority priority = Priority::kNormal;
  absl::string_view client;
  absl::Time admitted;
  absl::Time deadline = absl::InfiniteFuture();
  const LeastWork* least = nullptr;  // null: not known yet
};

// What a prepared request needs of the KV pool and of the model's positions,
// beyond what its session holds.
struct RequestSize {
  int64_t kv_tokens = 0;  // in whole pages
  int64_t positions = 0;  // at least
};

// Decides which of the waiting requests goes next (start_order.h), and which of
// them are refused since they are late or too large. Keeps what these decisions
// rest on: the clients' shares of the device, and what batches took.
//
// Deterministic; no clock, no I/O. Not thread-safe.
class Starter {
 public:
  struct Options {
    // A request that waits longer is refused; zero: its deadline alone counts.
    absl::Duration queue_timeout;
    // The whole prompt of a request may be cached, and take no time.
    bool prefix_caching = false;
  };
  explicit Starter(const Options& options) : options_(options) {}

  // A request of the client is open from Open to Close; Charge counts device
  // time for it.
  void Open(absl::string_view client) { fair_.Open(client); }
  void Close(absl::string_view client) { fair_.Close(client); }
  void Charge(absl::string_view client, absl::Duration device_time) {
    fair_.Charge(client, device_time);
  }
  // Is told what batches took.
  CostEstimator& costs() { return costs_; }

  static constexpr int64_t kMinPrefillPart = 128;
  // Rows of texts that go in one prefill batch, so that it takes about a third
  // of a second and others do not wait for long. kMinPrefillPart..`most`.
  int64_t MaxPrefillPart(int64_t most, absl::Time now) const;

  // Index of the request that goes next; nullopt: there is none. No other may
  // overtake it, even if there is no memory for it yet: it would starve.
  std::optional<int> Next(absl::Span<const WaitingRequest> waiting,
                          absl::Time now) const;
  // A request that Next chose was started.
  void Started(Priority priority);

  // OK: the request may wait on. RESOURCE_EXHAUSTED QUEUE_TIMEOUT: it waited
  // too long. DEADLINE_EXCEEDED DEADLINE_TOO_SHORT: it cannot be done in time.
  absl::Status CheckLate(const WaitingRequest& request, absl::Time now) const;
  // A text of which `rows` are to be prefilled can be done in time. Not OK:
  // DEADLINE_EXCEEDED DEADLINE.
  absl::Status CheckPrefill(int64_t rows, absl::Duration left,
                            absl::Time now) const;
  // When a request that was admitted then has waited too long.
  absl::Time QueueDeadline(absl::Time admitted) const;

 private:
  const Options options_;
  FairShare fair_;
  CostEstimator costs_;
  int normal_since_low_ = 0;  // started since one of low priority was
};

// A map at `done` of `total` steps, which took `took`, can be done in time. Not
// OK: DEADLINE_EXCEEDED DEADLINE; its place is better given to another.
absl::Status CheckPace(int done, int total, absl::Duration took,
                       absl::Duration left);

// OK: a request of this size can run. INVALID_ARGUMENT TOO_MANY_POSITIONS: it
// exceeds `max_positions` (0: no limit). RESOURCE_EXHAUSTED CONTEXT_TOO_LARGE:
// it exceeds the whole KV pool. `session`: of its turn; null: none.
absl::Status CheckSize(RequestSize size, const SessionUse* session,
                       const KvBudget& kv, int64_t max_positions);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_SCHEDULE_STARTER_H_
