#ifndef COOPER_SERVER_ENGINE_ENGINE_H_
#define COOPER_SERVER_ENGINE_ENGINE_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/worker_pool.h"
#include "model/image/codec.h"
#include "model/unified_model.h"
#include "server/engine/core/event.h"
#include "server/engine/core/request.h"
#include "server/metrics/server_metrics.h"

namespace cooper::engine {

// Affects behaviour: limits. Affects speed: budgets, threads.
struct EngineOptions {
  // Requests that hold contexts at once. 1..1024.
  int max_running = 16;
  // Admitted requests that wait beside them. 0..65536.
  int max_queue = 256;
  // Admitted requests of one client. 0..65536; 0: no limit of its own.
  int max_per_client = 0;
  // A request that could not be started for so long is refused. Zero: it waits
  // as long as its deadline lets it.
  absl::Duration queue_timeout;
  // Bytes of inputs of all admitted requests.
  int64_t max_queue_bytes = int64_t{512} << 20;
  // Part of the KV pool that keeps the beginnings of requests for others that
  // begin the same. Below 0: a quarter; 0: none.
  int64_t prefix_cache_bytes = -1;
  // How long a conversation is kept after a turn. Zero: there are none.
  absl::Duration session_ttl = absl::Minutes(10);
  // Part of the KV pool that conversations may hold. Below 0: a quarter.
  int64_t session_bytes = -1;
  // Longest time that a slice of an append, a flow step or a map's decoding
  // runs before text is decoded again.
  absl::Duration slice = absl::Milliseconds(50);
  // Rows (tokens) of one append wave; a segment is never cut, so a larger one
  // goes alone.
  int append_tokens = 8192;
  // Latent rows (tokens * branches) of one flow wave; at least one flow goes.
  int flow_tokens = 16384;
  // Threads that decode, resize and encode images. 1..64.
  int prepare_threads = 2;
  int encode_threads = 1;
  image::DecodeLimits image_limits;

  absl::Status Validate() const;
};

// Runs requests on a model: admission, the prepare and encode pools, and one
// engine thread, the only one that calls the model.
//
// Thread-safe. Ownership: `Submit` not OK: the sink is never called. OK: its
// OnDone runs exactly once, also on cancel, deadline and shutdown.
class Engine {
 public:
  struct Load {
    int queued = 0;   // admitted, waiting
    int running = 0;  // holding contexts
  };

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
  void Wake();

  // Refuses new work from now on.
  void BeginDrain();
  // Drains, and at `deadline` (of the clock) ends what is left with
  // UNAVAILABLE; returns when no request is left. Idempotent; blocks.
  void Shutdown(absl::Time deadline);

  Load load() const;
  bool draining() const;
  const EngineOptions& options() const;
  // False once the device failed: everything was ended with UNAVAILABLE.
  bool healthy() const;
  // When the engine thread last finished a wave or found nothing to do; for
  // the liveness watchdog.
  absl::Time last_step() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_ENGINE_H_
