#include "server/metrics/server_metrics.h"

#include <cstddef>

#include "absl/status/status.h"
#include "server/metrics/series.h"

namespace cooper::metrics {
namespace {

// The name of a status code that this server sends; INTERNAL for any other.
const char* CodeName(int grpc_code) {
  switch (grpc_code) {
    case 0:
      return "OK";
    case 1:
      return "CANCELLED";
    case 3:
      return "INVALID_ARGUMENT";
    case 4:
      return "DEADLINE_EXCEEDED";
    case 5:
      return "NOT_FOUND";
    case 8:
      return "RESOURCE_EXHAUSTED";
    case 9:
      return "FAILED_PRECONDITION";
    case 12:
      return "UNIMPLEMENTED";
    case 14:
      return "UNAVAILABLE";
    case 16:
      return "UNAUTHENTICATED";
    default:
      return "INTERNAL";
  }
}

const char* NameOf(SessionEviction reason) {
  switch (reason) {
    case SessionEviction::kExpired:
      return "expired";
    case SessionEviction::kQuota:
      return "quota";
    case SessionEviction::kMemory:
      break;
  }
  return "memory";
}

double Seconds(absl::Duration duration) {
  return absl::ToDoubleSeconds(duration);
}

}  // namespace

ServerMetrics::ServerMetrics(prometheus::Registry* registry)
    : series_(std::make_unique<Series>(registry)) {}
ServerMetrics::~ServerMetrics() = default;

void ServerMetrics::RpcStarted(Method method) {
  const std::string name = engine::MethodName(method);
  series_->rpc_started.With({{"method", name}}).Increment();
  series_->in_flight.With({{"method", name}}).Increment();
  // What alerts count exists before its first event: a rate over a series that
  // appears with a value misses that value.
  for (const char* code : {"INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE"}) {
    series_->requests.With({{"method", name}, {"code", code}});
  }
  for (const engine::ErrorRow& row : engine::ErrorTable()) {
    const prometheus::Labels labels = {{"method", name}, {"reason", row.label}};
    if (row.end == engine::EndKind::kFailure) {
      series_->errors.With(labels);
    } else if (row.code == absl::StatusCode::kResourceExhausted &&
               row.retry_after > absl::ZeroDuration()) {
      series_->rejections.With(labels);
    }
  }
}

void ServerMetrics::RpcFinished(Method method, int grpc_code,
                                absl::Duration duration) {
  const prometheus::Labels labels = {{"method", engine::MethodName(method)},
                                     {"code", CodeName(grpc_code)}};
  series_->requests.With(labels).Increment();
  series_->durations.With(labels).Observe(Seconds(duration));
  series_->in_flight.With({{"method", engine::MethodName(method)}}).Decrement();
}

void ServerMetrics::Rejected(Method method, absl::string_view reason) {
  series_->rejections
      .With({{"method", engine::MethodName(method)},
             {"reason", std::string(reason)}})
      .Increment();
}
void ServerMetrics::Cancelled(Method method, absl::string_view cause,
                              Phase phase) {
  series_->cancellations
      .With({{"method", engine::MethodName(method)},
             {"cause", std::string(cause)},
             {"phase", engine::PhaseName(phase)}})
      .Increment();
}
void ServerMetrics::Failed(Method method, absl::string_view reason) {
  series_->errors
      .With({{"method", engine::MethodName(method)},
             {"reason", std::string(reason)}})
      .Increment();
}

void ServerMetrics::ImageRejected(absl::string_view reason) {
  series_->image_rejections.With({{"reason", std::string(reason)}}).Increment();
}
void ServerMetrics::AddImageDecodeBytes(int64_t delta_bytes) {
  series_->image_decode_bytes.Increment(static_cast<double>(delta_bytes));
}

void ServerMetrics::SetOverloadState(OverloadState state) {
  series_->overload_state.Set(static_cast<double>(state));
}

void ServerMetrics::SetLoad(int queued, int running) {
  series_->queue_depth.Set(queued);
  series_->running.Set(running);
}
void ServerMetrics::Queued(RequestKind kind, absl::Duration waited) {
  series_->queue_duration.With({{"kind", engine::RequestKindName(kind)}})
      .Observe(Seconds(waited));
}

void ServerMetrics::FirstToken(absl::Duration since_admission) {
  series_->first_token.Observe(Seconds(since_admission));
}
void ServerMetrics::NextToken(absl::Duration since_previous) {
  series_->next_token.Observe(Seconds(since_previous));
}
void ServerMetrics::RequestTokens(int64_t prompt, int64_t generated) {
  series_->prompt_tokens.Increment(static_cast<double>(prompt));
  series_->generation_tokens.Increment(static_cast<double>(generated));
  series_->request_prompt_tokens.Observe(static_cast<double>(prompt));
  series_->request_generation_tokens.Observe(static_cast<double>(generated));
}
void ServerMetrics::Rounds(int turns) { series_->rounds.Observe(turns); }
void ServerMetrics::Finished(FinishReason reason) {
  series_->finish_reasons.With({{"reason", engine::FinishReasonName(reason)}})
      .Increment();
}

void ServerMetrics::BatchRun(BatchKind kind, int batch_size,
                             absl::Duration duration) {
  const prometheus::Labels labels = {
      {"phase", engine::PhaseName(engine::PhaseOf(kind))}};
  series_->batch_size.With(labels).Observe(batch_size);
  series_->step_duration.With(labels).Observe(Seconds(duration));
  series_->engine_steps.With(labels).Increment();
}
void ServerMetrics::PhaseRun(Phase phase, absl::Duration duration) {
  series_->phase_duration.With({{"phase", engine::PhaseName(phase)}})
      .Observe(Seconds(duration));
}
void ServerMetrics::RetriedAlone(BatchKind kind) {
  series_->gpu_memory_retries
      .With({{"phase", engine::PhaseName(engine::PhaseOf(kind))}})
      .Increment();
}
void ServerMetrics::DenoiseSteps(int steps, absl::Duration duration) {
  series_->denoise_steps.Increment(steps);
  series_->denoise_step_duration.Observe(Seconds(duration));
}
void ServerMetrics::MapDrawn(RequestKind kind, absl::Duration duration) {
  const prometheus::Labels labels = {{"kind", engine::RequestKindName(kind)}};
  series_->images_generated.With(labels).Increment();
  series_->map_duration.With(labels).Observe(Seconds(duration));
}
void ServerMetrics::CancelLatency(absl::Duration duration) {
  series_->cancel_latency.Observe(Seconds(duration));
}

void ServerMetrics::SetKv(int64_t used_bytes, int64_t capacity_bytes) {
  series_->kv_bytes.Set(static_cast<double>(used_bytes));
  series_->kv_capacity.Set(static_cast<double>(capacity_bytes));
  series_->kv_usage.Set(capacity_bytes > 0
                            ? static_cast<double>(used_bytes) /
                                  static_cast<double>(capacity_bytes)
                            : 0);
}
void ServerMetrics::SetGpuMemory(int64_t allocated_bytes,
                                 int64_t reserved_bytes, int64_t free_bytes) {
  series_->gpu_allocated.With({}).Set(static_cast<double>(allocated_bytes));
  series_->gpu_reserved.With({}).Set(static_cast<double>(reserved_bytes));
  series_->gpu_free.With({}).Set(static_cast<double>(free_bytes));
}
void ServerMetrics::SetPrefixCacheBytes(int64_t bytes) {
  series_->prefix_cache_bytes.Set(static_cast<double>(bytes));
}
void ServerMetrics::PrefixCacheUsed(int64_t queried, int64_t hits,
                                    int64_t evictions) {
  series_->prefix_cache_queries.Increment(static_cast<double>(queried));
  series_->prefix_cache_hits.Increment(static_cast<double>(hits));
  series_->prefix_cache_evictions.Increment(static_cast<double>(evictions));
}
void ServerMetrics::SetSessions(int sessions, int64_t bytes) {
  series_->sessions.Set(sessions);
  series_->session_bytes.Set(static_cast<double>(bytes));
}
void ServerMetrics::SessionsEvicted(SessionEviction reason, int64_t count) {
  if (count == 0) return;
  series_->session_evictions.With({{"reason", NameOf(reason)}})
      .Increment(static_cast<double>(count));
}
void ServerMetrics::SetEngineUp(bool up) { series_->engine_up.Set(up ? 1 : 0); }
void ServerMetrics::SetEngineLastStep(absl::Time wall_clock) {
  series_->engine_last_step.Set(
      absl::ToDoubleSeconds(wall_clock - absl::UnixEpoch()));
}
void ServerMetrics::SetReady(bool ready) { series_->ready.Set(ready ? 1 : 0); }
void ServerMetrics::NonFinite() { series_->nonfinite.Increment(); }

void ServerMetrics::SetConnections(int connections) {
  series_->connections.Set(connections);
}
void ServerMetrics::ConnectionRefused(absl::string_view reason) {
  series_->connections_refused.With({{"reason", std::string(reason)}})
      .Increment();
}
void ServerMetrics::StreamStalled() { series_->stream_stalls.Increment(); }
void ServerMetrics::AddStreamBuffer(int64_t delta_bytes) {
  series_->stream_buffer.Increment(static_cast<double>(delta_bytes));
}

void ServerMetrics::SpansEnded(int64_t spans, bool exported) {
  (exported ? series_->spans_exported : series_->spans_dropped)
      .Increment(static_cast<double>(spans));
}

void ServerMetrics::SetTlsCertExpiry(absl::Time expiry) {
  series_->tls_cert_expiry.With({}).Set(
      absl::ToDoubleSeconds(expiry - absl::UnixEpoch()));
}

void ServerMetrics::ModelLoaded(LoadStage stage, absl::Duration duration) {
  series_->load_duration
      .With({{"stage", stage == LoadStage::kLoad ? "load" : "warm_up"}})
      .Set(Seconds(duration));
}
void ServerMetrics::SetBuildInfo(const std::string& version) {
  series_->build_info.With({{"version", version}}).Set(1);
}
void ServerMetrics::SetModelInfo(const std::string& model,
                                 const std::string& device,
                                 const std::string& dtype) {
  series_->model_info
      .With({{"model", model}, {"device", device}, {"dtype", dtype}})
      .Set(1);
}

}  // namespace cooper::metrics
