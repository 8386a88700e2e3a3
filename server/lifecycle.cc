#include "server/lifecycle.h"

#include <prometheus/registry.h>

#include <atomic>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/log_thread.h"
#include "base/logging.h"
#include "base/periodic.h"
#include "base/status_macros.h"
#include "base/worker_pool.h"
#include "model/device_status.h"
#include "server/lifecycle_events.h"
#include "server/metrics/log_collector.h"
#include "server/metrics/metrics_listener.h"
#include "server/metrics/process_collector.h"
#include "server/metrics/server_metrics.h"
#include "server/process_memory.h"
#include "server/rpc/serving_state.h"
#include "server/signals.h"
#include "server/tracing/export.h"

namespace cooper {
namespace {

// For the statuses and last events of ended requests to reach their readers.
constexpr absl::Duration kFlushTime = absl::Seconds(5);
// For the engine to end what is left after the drain timeout: a step of it.
constexpr absl::Duration kEndTime = absl::Seconds(4);
// After the drain timeout, or once the engine failed, the process ends whatever
// its threads do. At most 10 s are promised.
constexpr absl::Duration kExitTime = absl::Milliseconds(9500);
// Once the engine hangs, for health checks and scrapes to notice.
constexpr absl::Duration kLastWords = absl::Seconds(2);
constexpr absl::Duration kHousekeepingInterval = absl::Seconds(1);
// Between lines on the loading; at least one in ten seconds is promised.
constexpr absl::Duration kProgressInterval = absl::Seconds(5);

// Ends the process without waiting for its threads.
[[noreturn]] void ExitNow(ExitCode code) {
  base::FlushLog();
  std::_Exit(static_cast<int>(code));
}

[[noreturn]] void StopAtOnce(ExitCode code) {
  base::Log(base::LogLevel::kWarning, "stopping at once");
  ExitNow(code);
}

// Ends the process after `timeout` with the code that `*code` holds then,
// unless it has ended before.
void ExitAfter(absl::Duration timeout,
               std::shared_ptr<const std::atomic<ExitCode>> code) {
  std::thread([timeout, code = std::move(code)] {
    absl::SleepFor(timeout);
    base::Log(base::LogLevel::kError, "did not stop in time");
    base::FlushLog(absl::Milliseconds(200));
    std::_Exit(static_cast<int>(code->load()));
  }).detach();
}

// What libraries say may have several lines; the process says one.
ExitCode StartFailed(const absl::Status& status) {
  base::LogFailure("cooper_server",
                   absl::StrReplaceAll(status.message(), {{"\n", " "}}));
  return model::IsDeviceUnusable(status) ? ExitCode::kNoDevice
                                         : ExitCode::kStartFailed;
}

// What was loaded, for the log.
std::vector<base::LogField> FactsOf(const model::ModelInfo& info) {
  const std::string files = absl::StrJoin(
      info.files, ",", [](std::string* out, const model::WeightFile& file) {
        absl::StrAppend(out, "{\"path\":", base::JsonString(file.path),
                        ",\"tensors\":", file.tensors, "}");
      });
  return {{"model", info.name},
          {"device", info.device},
          {"dtype", info.dtype},
          {"parameters", info.parameters},
          {"kv_cache_tokens", info.kv_capacity_tokens},
          {"threads", info.threads},
          {"instruction_set", info.instruction_set},
          base::LogField::Json("files", absl::StrCat("[", files, "]"))};
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
      events_.Post(LifecycleEvent::kLoaded);
    });
    // A load cannot be interrupted.
    const LifecycleEvent first = AwaitLoad();
    if (first != LifecycleEvent::kLoaded) {
      if (first == LifecycleEvent::kDeaf) *exit_code_ = ExitCode::kDeaf;
      ExitAfter(kExitTime, exit_code_);
      server_->SetReady(false);
      server_->Shutdown(absl::ZeroDuration());
      StopAtOnce(*exit_code_);
    }
    if (!loaded_.ok()) return StartFailed(loaded_);
    Serve();
    const LifecycleEvent end = events_.Wait();
    if (end == LifecycleEvent::kEngineFailed) return EndFailed();
    if (end == LifecycleEvent::kDeaf) *exit_code_ = ExitCode::kDeaf;
    return Drain();
  }

 private:
  absl::Status Listen() {
    if (options_.metrics_listen.has_value()) {
      COOPER_ASSIGN_OR_RETURN(
          metrics_listener_,
          Annotated("metrics_listen",
                    metrics::MetricsListener::Start(
                        *options_.metrics_listen,
                        {registry_, std::make_shared<metrics::LogCollector>(),
                         std::make_shared<metrics::ProcessCollector>()})));
    }
    metrics_.SetBuildInfo(options_.rpc.version);
    serving_state_.Follow(&progress_);
    rpc::ServerOptions rpc = options_.rpc;
    if (!options_.tracing.endpoint.empty()) {
      rpc.tracer = traces_
                       .emplace(
                           options_.tracing, options_.rpc.version,
                           [this](int64_t spans, bool exported) {
                             metrics_.SpansEnded(spans, exported);
                           },
                           clock_)
                       .tracer();
    }
    COOPER_ASSIGN_OR_RETURN(
        server_,
        rpc::Server::Start(rpc, &serving_state_, &metrics_, clock_,
                           [this](rpc::ServerFault fault) {
                             events_.Post(fault == rpc::ServerFault::kDeaf
                                              ? LifecycleEvent::kDeaf
                                              : LifecycleEvent::kEngineFailed);
                           }));
    std::vector<base::LogField> fields = {
        {"grpc", server_->address().ToString()}, {"metrics", MetricsAddress()}};
    if (const auto health = server_->health_address()) {
      fields.push_back({"health", health->ToString()});
    }
    fields.push_back({"version", options_.rpc.version});
    base::Log(base::LogLevel::kInfo, "listening", fields);
    if (rpc.allow_plaintext_tokens && !rpc.auth_token_file.empty() &&
        rpc.tls.cert.empty() && !rpc.listen.IsLoopback()) {
      base::Log(base::LogLevel::kWarning,
                "bearer tokens are accepted without TLS",
                {{"grpc", server_->address().ToString()}});
    }
    return absl::OkStatus();
  }

  std::string MetricsAddress() const {
    return metrics_listener_ == nullptr
               ? "off"
               : metrics_listener_->address().ToString();
  }

  // Says now and then how far the loading is.
  LifecycleEvent AwaitLoad() {
    while (true) {
      const auto event = events_.Wait(kProgressInterval);
      if (event) return *event;
      const model::LoadProgress::State state = progress_.state();
      std::vector<base::LogField> fields = {
          {"stage", model::NameOf(state.stage)}};
      if (state.total_bytes > 0) {
        fields.emplace_back("done_bytes", state.done_bytes);
        fields.emplace_back("total_bytes", state.total_bytes);
      }
      fields.emplace_back("seconds", absl::ToDoubleSeconds(state.elapsed));
      fields.emplace_back("seconds_left",
                          absl::ToDoubleSeconds(state.Remaining()));
      base::Log(base::LogLevel::kInfo, "loading", fields);
    }
  }

  template <typename T>
  static absl::StatusOr<T> Annotated(absl::string_view prefix,
                                     absl::StatusOr<T> value) {
    if (value.ok()) return value;
    return base::Annotate(value.status(), prefix);
  }

  absl::Status Load() {
    const absl::Time start = clock_->Now();
    COOPER_ASSIGN_OR_RETURN(model_, options_.load(&progress_));
    const absl::Time loaded = clock_->Now();
    metrics_.ModelLoaded(metrics::LoadStage::kLoad, loaded - start);
    progress_.Begin(model::LoadStage::kWarmUp);
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
    serving_state_.Fill({engine_.get(), &info});
    server_->SetReady(true);
    SayReady(info);
  }

  // In the log all that was loaded, on stdout that the server is ready.
  void SayReady(const model::ModelInfo& info) const {
    for (const std::string& note : info.notes) {
      base::Log(base::LogLevel::kInfo, "loaded", {{"note", note}});
    }
    const std::string grpc = server_->address().ToString();
    const std::string metrics = MetricsAddress();
    std::vector<base::LogField> fields = {{"grpc", grpc}, {"metrics", metrics}};
    for (base::LogField& field : FactsOf(info)) {
      fields.push_back(std::move(field));
    }
    fields.push_back({"version", options_.rpc.version});
    fields.push_back(
        {"seconds", absl::ToDoubleSeconds(progress_.state().elapsed)});
    base::Log(base::LogLevel::kInfo, "ready", fields);
    std::string line =
        absl::StrCat("cooper_server ready grpc=", grpc, " metrics=", metrics,
                     " model=", info.name, " device=", info.device);
    if (base::CurrentLogFormat() == base::LogFormat::kJson) {
      fields.push_back({"text", line});
      line = base::LogLine(base::LogLevel::kInfo, "ready", fields);
    }
    base::FlushLog();  // the log has "ready" when its reader sees this line
    base::PrintLine(line);
  }

  ExitCode Drain() {
    base::Log(base::LogLevel::kInfo, "draining",
              {{"running", engine_->load().running},
               {"queued", engine_->load().queued}});
    ExitAfter(options_.drain_timeout + kExitTime, exit_code_);
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
      events_.Post(LifecycleEvent::kDrained);
    });
    const bool failed = !AwaitDrained();
    if (failed) *exit_code_ = ExitCode::kEngineFailed;
    if (engine_->given_up()) {
      *exit_code_ = ExitCode::kEngineFailed;
      ExitNow(ExitCode::kEngineFailed);  // its thread cannot be joined
    }
    if (!drained.ok()) {
      base::Log(base::LogLevel::kError, "draining failed",
                {{"cause", base::Printable(drained.message(), 500)}});
      *exit_code_ = ExitCode::kEngineFailed;
    }
    base::Log(base::LogLevel::kInfo, "stopped");
    return *exit_code_;
  }

  // Gives the engine up where it does not end in time. False: it failed.
  bool AwaitDrained() {
    absl::Duration left = options_.drain_timeout + kEndTime;
    bool failed = false;
    while (true) {
      const auto event = events_.Wait(left);
      if (event == LifecycleEvent::kDrained) return !failed;
      if (event == LifecycleEvent::kStopSignal) StopAtOnce(*exit_code_);
      if (event == LifecycleEvent::kEngineFailed) failed = true;
      if (!event.has_value()) {
        *exit_code_ = ExitCode::kEngineFailed;
        engine_->GiveUp();
        left = absl::InfiniteDuration();
      }
    }
  }

  // Whether no request is open; also while the model is loaded.
  bool Idle() const {
    const auto* serving = serving_state_.get();
    if (serving == nullptr) return true;
    const engine::Engine::Load load = serving->engine->load();
    return load.running + load.queued == 0;
  }

  // The engine has ended everything with UNAVAILABLE.
  ExitCode EndFailed() {
    base::Log(base::LogLevel::kError, "the engine failed");
    *exit_code_ = ExitCode::kEngineFailed;
    ExitAfter(kExitTime, exit_code_);
    if (engine_->given_up()) {
      events_.Wait(kLastWords);
      server_->Shutdown(kFlushTime);
      ExitNow(ExitCode::kEngineFailed);  // its thread cannot be joined
    }
    server_->Shutdown(kFlushTime);
    return ExitCode::kEngineFailed;
  }

  const LifecycleOptions& options_;
  const base::Clock* const clock_ = base::Clock::Real();
  const std::shared_ptr<std::atomic<ExitCode>> exit_code_ =
      std::make_shared<std::atomic<ExitCode>>(ExitCode::kStopped);
  const std::shared_ptr<prometheus::Registry> registry_ =
      std::make_shared<prometheus::Registry>();
  metrics::ServerMetrics metrics_{registry_.get()};
  std::optional<tracing::Export> traces_;
  model::LoadProgress progress_{clock_};
  LifecycleEventQueue events_;
  SignalThread signals_{
      [this](int) { events_.Post(LifecycleEvent::kStopSignal); }};
  std::unique_ptr<metrics::MetricsListener> metrics_listener_;
  std::unique_ptr<model::UnifiedModel> model_;
  absl::Status loaded_;
  std::unique_ptr<base::WorkerPool> engine_thread_;  // until the engine has it
  std::unique_ptr<engine::Engine> engine_;
  rpc::ServingState serving_state_;
  std::unique_ptr<rpc::Server> server_;
  MemoryTrimPolicy trim_policy_;  // of the thread below
  base::Periodic housekeeping_{"housekeeping", kHousekeepingInterval, [this] {
                                 base::LogLeftOut();
                                 TrimMemory(&trim_policy_, clock_->Now(),
                                            Idle());
                               }};
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
