#include "server/lifecycle.h"

#include <prometheus/registry.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "model/device_status.h"
#include "server/base/clock.h"
#include "server/base/logging.h"
#include "server/base/mutex.h"
#include "server/base/status_macros.h"
#include "server/base/worker_pool.h"
#include "server/metrics/log_collector.h"
#include "server/metrics/metrics_listener.h"
#include "server/metrics/process_collector.h"
#include "server/metrics/server_metrics.h"
#include "server/rpc/engine_slot.h"
#include "server/signals.h"
#include "server/tracing/export.h"

namespace cooper {
namespace {

// For the statuses and last events of ended requests to reach their readers.
constexpr absl::Duration kFlushTime = absl::Seconds(5);

enum class Happening { kStopSignal, kLoaded, kEngineFailed, kDrained };

// What the main thread waits for. Thread-safe.
class Happenings {
 public:
  void Post(Happening happening) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    queue_.push_back(happening);
  }
  Happening Wait() ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](std::deque<Happening>* queue) { return !queue->empty(); },
        &queue_));
    const Happening happening = queue_.front();
    queue_.pop_front();
    return happening;
  }

 private:
  base::Mutex mutex_;
  std::deque<Happening> queue_ ABSL_GUARDED_BY(mutex_);
};

// Ends the process without waiting for its threads.
[[noreturn]] void StopAtOnce() {
  base::Log(base::LogLevel::kWarning, "stopping at once");
  std::fflush(nullptr);
  std::_Exit(static_cast<int>(ExitCode::kStopped));
}

// What libraries say may have several lines; the process says one.
ExitCode StartFailed(const absl::Status& status) {
  std::fprintf(stderr, "cooper_server: %s\n",
               absl::StrReplaceAll(status.message(), {{"\n", " "}}).c_str());
  return model::IsDeviceUnusable(status) ? ExitCode::kNoDevice
                                         : ExitCode::kStartFailed;
}

// Runs `body`; what it throws becomes a status.
absl::Status Caught(const char* what,
                    const std::function<absl::Status()>& body) {
  try {
    return body();
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat(what, ": ", e.what()));
  }
}

// One server process. Members in the order of their making: what comes first
// outlives the rest.
class Process {
 public:
  explicit Process(const LifecycleOptions& options) : options_(options) {}

  ExitCode Run() {
    const absl::Status listening = Listen();
    if (!listening.ok()) return StartFailed(listening);
    // The engine's thread from here on, so that what a library keeps for each
    // thread is there when the first request comes.
    engine_thread_ = std::make_unique<base::WorkerPool>("engine", 1);
    engine_thread_->Post([this] {
      loaded_ = Caught("loading the model", [this] { return Load(); });
      happenings_.Post(Happening::kLoaded);
    });
    // Nothing but a signal can come before kLoaded, and a load cannot be
    // interrupted.
    if (happenings_.Wait() == Happening::kStopSignal) {
      server_->SetReady(false);
      server_->Shutdown(absl::ZeroDuration());
      StopAtOnce();
    }
    if (!loaded_.ok()) return StartFailed(loaded_);
    Serve();
    const Happening end = happenings_.Wait();
    return end == Happening::kEngineFailed ? EndFailed() : Drain();
  }

 private:
  absl::Status Listen() {
    COOPER_ASSIGN_OR_RETURN(
        metrics_listener_,
        Annotated("metrics_listen",
                  metrics::MetricsListener::Start(
                      options_.metrics_listen,
                      {registry_, std::make_shared<metrics::LogCollector>(),
                       std::make_shared<metrics::ProcessCollector>()})));
    metrics_.SetBuildInfo(options_.rpc.version);
    rpc::ServerOptions rpc = options_.rpc;
    if (!options_.tracing.endpoint.empty()) {
      rpc.tracer = traces_
                       .emplace(options_.tracing, options_.rpc.version,
                                &metrics_, clock_)
                       .tracer();
    }
    COOPER_ASSIGN_OR_RETURN(
        server_, rpc::Server::Start(rpc, &slot_, &metrics_, clock_, [this] {
          happenings_.Post(Happening::kEngineFailed);
        }));
    base::Log(base::LogLevel::kInfo, "listening",
              {{"grpc", server_->address().ToString()},
               {"metrics", metrics_listener_->address().ToString()}});
    return absl::OkStatus();
  }

  template <typename T>
  static absl::StatusOr<T> Annotated(absl::string_view prefix,
                                     absl::StatusOr<T> value) {
    if (value.ok()) return value;
    return base::Annotate(value.status(), prefix);
  }

  absl::Status Load() {
    const absl::Time start = clock_->Now();
    COOPER_ASSIGN_OR_RETURN(model_, options_.load());
    const absl::Time loaded = clock_->Now();
    metrics_.ModelLoaded(metrics::LoadStage::kLoad, loaded - start);
    COOPER_RETURN_IF_ERROR(model_->WarmUp());
    metrics_.ModelLoaded(metrics::LoadStage::kWarmUp, clock_->Now() - loaded);
    return absl::OkStatus();
  }

  void Serve() {
    engine_ = std::make_unique<engine::Engine>(model_.get(), &metrics_, clock_,
                                               options_.engine,
                                               std::move(engine_thread_));
    const model::ModelInfo& info = model_->info();
    metrics_.SetModelInfo(info.name, info.device, info.dtype);
    metrics_.SetEngineUp(true);
    slot_.Fill({engine_.get(), &info, options_.engine.max_running,
                options_.engine.max_queue});
    server_->SetReady(true);
    std::printf("cooper_server ready grpc=%s metrics=%s model=%s device=%s\n",
                server_->address().ToString().c_str(),
                metrics_listener_->address().ToString().c_str(),
                info.name.c_str(), info.device.c_str());
    std::fflush(stdout);
  }

  ExitCode Drain() {
    base::Log(base::LogLevel::kInfo, "draining",
              {{"running", engine_->load().running},
               {"queued", engine_->load().queued}});
    server_->SetReady(false);
    engine_->BeginDrain();
    absl::Status drained;
    base::WorkerPool drain("drain", 1);
    drain.Post([this, &drained] {
      drained = Caught("draining", [this] {
        engine_->Shutdown(clock_->Now() + options_.drain_timeout);
        server_->Shutdown(kFlushTime);
        return absl::OkStatus();
      });
      happenings_.Post(Happening::kDrained);
    });
    Happening end = happenings_.Wait();
    bool failed = false;
    while (end != Happening::kDrained) {
      if (end == Happening::kStopSignal) StopAtOnce();
      failed = true;
      end = happenings_.Wait();
    }
    if (!drained.ok()) {
      base::Log(base::LogLevel::kError, "draining failed",
                {{"cause", base::Printable(drained.message(), 500)}});
      failed = true;
    }
    base::Log(base::LogLevel::kInfo, "stopped");
    return failed ? ExitCode::kEngineFailed : ExitCode::kStopped;
  }

  // The engine has ended everything with UNAVAILABLE.
  ExitCode EndFailed() {
    base::Log(base::LogLevel::kError, "the engine failed");
    server_->Shutdown(kFlushTime);
    return ExitCode::kEngineFailed;
  }

  const LifecycleOptions& options_;
  const base::Clock* const clock_ = base::Clock::Real();
  const std::shared_ptr<prometheus::Registry> registry_ =
      std::make_shared<prometheus::Registry>();
  metrics::ServerMetrics metrics_{registry_.get()};
  std::optional<tracing::Export> traces_;
  Happenings happenings_;
  SignalThread signals_{
      [this](int) { happenings_.Post(Happening::kStopSignal); }};
  std::unique_ptr<metrics::MetricsListener> metrics_listener_;
  std::unique_ptr<model::UnifiedModel> model_;
  absl::Status loaded_;
  std::unique_ptr<base::WorkerPool> engine_thread_;  // until the engine has it
  std::unique_ptr<engine::Engine> engine_;
  rpc::EngineSlot slot_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace

ExitCode RunServer(const LifecycleOptions& options) {
  ExitCode code = ExitCode::kStartFailed;
  const absl::Status ran = Caught("starting", [&] {
    code = Process(options).Run();
    return absl::OkStatus();
  });
  return ran.ok() ? code : StartFailed(ran);
}

}  // namespace cooper
