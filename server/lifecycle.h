#ifndef COOPER_SERVER_LIFECYCLE_H_
#define COOPER_SERVER_LIFECYCLE_H_

#include <functional>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/listen_address.h"
#include "model/load_progress.h"
#include "model/unified_model.h"
#include "server/engine/engine.h"
#include "server/server.h"
#include "server/tracing/export.h"

namespace cooper {

// How the process ends; docs/life-of-a-request.md and the README say so too.
enum class ExitCode {
  kStopped = 0,       // by a signal; everything admitted had its end
  kStartFailed = 1,   // a port, a file, the model
  kUsage = 2,         // a flag
  kEngineFailed = 3,  // the device or the engine failed or hung; restart it
  kDeaf = 5,          // the listener accepts no connection any more
  kNoDevice = 4,      // no usable GPU, or it has too little memory
};

struct LifecycleOptions {
  rpc::ServerOptions rpc;
  engine::EngineOptions engine;
  // Of GET /metrics. Unset: there is none.
  std::optional<base::ListenAddress> metrics_listen =
      base::ListenAddress{"0.0.0.0", 8002};
  tracing::ExportOptions tracing;
  // Time for requests under way after the signal to stop. At least 0.
  absl::Duration drain_timeout = absl::Seconds(30);
  // Makes the model, and tells the progress, which outlives it; runs on the
  // engine's thread while the server already answers health checks. A status
  // that is marked as model::DeviceUnusable ends the process with kNoDevice.
  std::function<absl::StatusOr<std::unique_ptr<model::UnifiedModel>>(
      model::LoadProgress* progress)>
      load;
};

// The whole life of a server process: listen, load, warm up (with a line in the
// log every few seconds), say so on stdout and in the log, serve, and on
// SIGTERM or SIGINT drain. A second signal ends the process at once; so does a
// signal while the model is being loaded.
//
// The line on stdout is "cooper_server ready grpc=HOST:PORT metrics=HOST:PORT
// model=NAME device=DEVICE", or with base::LogFormat::kJson that of the log
// with this in `text`.
//
// Blocks; call from main, after PrepareSignals and before any thread. Prints
// one line to stderr where it fails.
ExitCode RunServer(const LifecycleOptions& options);

}  // namespace cooper

#endif  // COOPER_SERVER_LIFECYCLE_H_
