#ifndef COOPER_SERVER_ENGINE_ENGINE_H_
#define COOPER_SERVER_ENGINE_ENGINE_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/worker_pool.h"
#include "model/unified_model.h"
#include "server/engine/core/event.h"
#include "server/engine/core/request.h"
#include "server/engine/engine_loop.h"
#include "server/engine/engine_options.h"
#include "server/engine/request_statistics.h"
#include "server/engine/schedule/admission.h"
#include "server/metrics/server_metrics.h"

namespace cooper::engine {

// Runs requests on a model: admission, the prepare and encode pools, and one
// engine thread, the only one that calls the model.
//
// Thread-safe. Ownership: `Submit` not OK: the sink is never called. OK: its
// OnDone runs exactly once, also on cancel, deadline and shutdown.
class Engine {
 public:
  using Load = EngineLoad;

  // `model`, `metrics` and `clock` must outlive the engine. `thread`: a pool of
  // one thread, which becomes the engine's; null: one is made.
  Engine(model::UnifiedModel* model, metrics::ServerMetrics* metrics,
         const base::Clock* clock, EngineOptions options,
         std::unique_ptr<base::WorkerPool> thread = nullptr);
  // Shuts down with no time left, then joins.
  ~Engine();

  // Admits a request; never blocks. RESOURCE_EXHAUSTED: queue full (count or
  // bytes), or its client has too many open. UNAVAILABLE: draining or failed.
  // DEADLINE_EXCEEDED: too late already. FAILED_PRECONDITION: the checkpoint
  // cannot do it.
  absl::Status Submit(Request request, std::unique_ptr<EventSink> sink);

  // Makes the engine look at cancel tokens soon; call after Cancel.
  void Wake() { loop_.Wake(); }

  // Refuses new work from now on.
  void BeginDrain() { admission_.Drain(); }
  // Drains, and at `deadline` (of the clock) ends what is left with
  // UNAVAILABLE; returns when no request is left, or GiveUp was called.
  // Idempotent; blocks.
  void Shutdown(absl::Time deadline);

  // The engine thread hangs in a call of the model: refuses new work and ends
  // every open request with UNAVAILABLE ENGINE_FAILED, on the calling thread.
  // The destructor still waits for the engine thread. Idempotent.
  void GiveUp() { loop_.GiveUp(); }

  Load load() const { return loop_.load(); }
  const RequestStatistics& statistics() const { return loop_.statistics(); }
  bool draining() const { return admission_.draining(); }
  const EngineOptions& options() const { return options_; }
  // False once the device failed: everything was ended with UNAVAILABLE.
  bool healthy() const { return !admission_.failed(); }
  bool given_up() const { return admission_.given_up(); }
  // When the engine thread last finished a batch or had nothing to do; for the
  // liveness watchdog.
  absl::Time last_step() const { return loop_.last_step(); }

 private:
  model::UnifiedModel* const model_;
  const base::Clock* const clock_;
  const EngineOptions options_;
  Admission admission_;
  EngineLoop loop_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_ENGINE_H_
