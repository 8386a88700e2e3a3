#include "server/metrics/server_metrics.h"

#include <cstddef>

#include "server/metrics/series.h"

namespace cooper::metrics {
namespace {

template <typename Enum>
constexpr size_t At(Enum value) {
  return static_cast<size_t>(value);
}

// Index into kCodes; INTERNAL, the first, for a code that is not there.
size_t CodeIndex(int grpc_code) {
  for (size_t i = 0; i < kCodes.size(); ++i) {
    if (kCodes[i].number == grpc_code) return i;
  }
  return 0;
}

double Seconds(absl::Duration duration) {
  return absl::ToDoubleSeconds(duration);
}

}  // namespace

const char* NameOf(CancelPhase phase) { return kCancelPhases[At(phase)]; }
const char* NameOf(Phase phase) { return kPhases[At(phase)]; }

ServerMetrics::ServerMetrics(prometheus::Registry* registry)
    : series_(std::make_unique<Series>(registry)) {}
ServerMetrics::~ServerMetrics() = default;

void ServerMetrics::RpcStarted(Method method) {
  series_->rpc_started[At(method)]->Increment();
  series_->in_flight[At(method)]->Increment();
}

void ServerMetrics::RpcFinished(Method method, int grpc_code,
                                absl::Duration duration) {
  const size_t code = CodeIndex(grpc_code);
  series_->requests[At(method)][code]->Increment();
  series_->durations[At(method)][code]->Observe(Seconds(duration));
  series_->in_flight[At(method)]->Decrement();
}

void ServerMetrics::Rejected(Method method, Rejection reason) {
  series_->rejections[At(method)][At(reason)]->Increment();
}
void ServerMetrics::Cancelled(Method method, CancelCause cause,
                              CancelPhase phase) {
  series_->cancellations[At(method)][At(cause)][At(phase)]->Increment();
}
void ServerMetrics::Failed(Method method, Error reason) {
  series_->errors[At(method)][At(reason)]->Increment();
}

void ServerMetrics::ImageRejected(ImageRejection reason) {
  series_->image_rejections[At(reason)]->Increment();
}
void ServerMetrics::AddImageDecodeBytes(int64_t delta_bytes) {
  series_->image_decode_bytes.Increment(static_cast<double>(delta_bytes));
}

void ServerMetrics::SetLoad(int queued, int running) {
  series_->queue_depth.Set(queued);
  series_->running.Set(running);
}
void ServerMetrics::Queued(Kind kind, absl::Duration waited) {
  series_->queue_duration[At(kind)]->Observe(Seconds(waited));
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
  series_->finish_reasons[At(reason)]->Increment();
}

void ServerMetrics::WaveRun(Wave wave, int batch_size,
                            absl::Duration duration) {
  series_->batch_size[At(wave)]->Observe(batch_size);
  series_->step_duration[At(wave)]->Observe(Seconds(duration));
  series_->engine_steps[At(wave)]->Increment();
}
void ServerMetrics::PhaseRun(Phase phase, absl::Duration duration) {
  series_->phase_duration[At(phase)]->Observe(Seconds(duration));
}
void ServerMetrics::RetriedAlone(Wave wave) {
  series_->gpu_memory_retries[At(wave)]->Increment();
}
void ServerMetrics::FlowSteps(int steps, absl::Duration duration) {
  series_->flow_steps.Increment(steps);
  series_->flow_step_duration.Observe(Seconds(duration));
}
void ServerMetrics::MapDrawn(Kind kind, absl::Duration duration) {
  if (kind == Kind::kReason) return;
  series_->images_generated[At(kind)]->Increment();
  series_->map_duration[At(kind)]->Observe(Seconds(duration));
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
  series_->gpu_allocated.Add({}).Set(static_cast<double>(allocated_bytes));
  series_->gpu_reserved.Add({}).Set(static_cast<double>(reserved_bytes));
  series_->gpu_free.Add({}).Set(static_cast<double>(free_bytes));
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
  series_->session_evictions[static_cast<size_t>(reason)]->Increment(
      static_cast<double>(count));
}
void ServerMetrics::SetEngineUp(bool up) { series_->engine_up.Set(up ? 1 : 0); }
void ServerMetrics::SetEngineLastStep(absl::Time wall_clock) {
  series_->engine_last_step.Set(
      absl::ToDoubleSeconds(wall_clock - absl::UnixEpoch()));
}
void ServerMetrics::SetReady(bool ready) { series_->ready.Set(ready ? 1 : 0); }
void ServerMetrics::NonFinite() { series_->nonfinite.Increment(); }

void ServerMetrics::StreamStalled() { series_->stream_stalls.Increment(); }
void ServerMetrics::AddStreamBuffer(int64_t delta_bytes) {
  series_->stream_buffer.Increment(static_cast<double>(delta_bytes));
}

void ServerMetrics::SpansExported(int64_t spans) {
  series_->spans_exported.Increment(static_cast<double>(spans));
}
void ServerMetrics::SpansDropped(int64_t spans) {
  series_->spans_dropped.Increment(static_cast<double>(spans));
}

void ServerMetrics::SetTlsCertExpiry(absl::Time expiry) {
  series_->tls_cert_expiry.Add({}).Set(
      absl::ToDoubleSeconds(expiry - absl::UnixEpoch()));
}

void ServerMetrics::ModelLoaded(LoadStage stage, absl::Duration duration) {
  series_->load_duration[At(stage)]->Set(Seconds(duration));
}
void ServerMetrics::SetBuildInfo(const std::string& version) {
  series_->build_info.Add({{"version", version}}).Set(1);
}
void ServerMetrics::SetModelInfo(const std::string& model,
                                 const std::string& device,
                                 const std::string& dtype) {
  series_->model_info
      .Add({{"model", model}, {"device", device}, {"dtype", dtype}})
      .Set(1);
}

}  // namespace cooper::metrics
