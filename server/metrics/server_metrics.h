#ifndef COOPER_SERVER_METRICS_SERVER_METRICS_H_
#define COOPER_SERVER_METRICS_SERVER_METRICS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/engine/core/error.h"
#include "server/engine/core/event.h"
#include "server/engine/core/method.h"
#include "server/engine/core/phase.h"
#include "server/engine/core/request.h"

namespace prometheus {
class Registry;
}

namespace cooper::metrics {

enum class SessionEviction { kExpired, kQuota, kMemory };
enum class LoadStage { kLoad, kWarmUp };
// The values of cooper_overload_state.
enum class OverloadState { kNormal = 0, kMemory = 1 };

// All metrics of the server (names and meanings: docs/metrics.md), built on a
// given registry. Label values are closed sets, the names of the engine's
// enums. A series without labels exists from the start. One with labels appears
// with its first event, except for those that alerts count, so that a rate sees
// their first increment: a method's failures and overload rejections exist from
// its first call, GPU memory retries and session evictions from the start.
//
// Accounting identity, exact at rest, per method:
//   rpc_started = sum over codes of requests + in flight, and
//   sum over codes but OK of requests = rejections + cancellations + errors.
//
// Thread-safe.
class ServerMetrics {
 public:
  using BatchKind = engine::BatchKind;
  using FinishReason = engine::FinishReason;
  using Method = engine::Method;
  using Phase = engine::Phase;
  using RequestKind = engine::RequestKind;

  explicit ServerMetrics(prometheus::Registry* registry);
  ~ServerMetrics();

  // An RPC began; one RpcFinished follows. `grpc_code` is one that this server
  // sends; any other counts as INTERNAL (13).
  void RpcStarted(Method method);
  void RpcFinished(Method method, int grpc_code, absl::Duration duration);

  // Why an RPC did not end with OK: exactly one of these per such RPC, called
  // where the RPC's final status is known (server/rpc). `reason` and `cause`
  // are labels of engine::ErrorTable.
  void Rejected(Method method, absl::string_view reason);
  void Cancelled(Method method, absl::string_view cause, Phase phase);
  void Failed(Method method, absl::string_view reason);

  // `reason`: image::RejectionName, or "count" for too many images.
  void ImageRejected(absl::string_view reason);
  // Bytes reserved for decoding images grew (or shrank) by `delta_bytes`.
  void AddImageDecodeBytes(int64_t delta_bytes);
  void SetOverloadState(OverloadState state);

  // Queue and running set.
  void SetLoad(int queued, int running);
  void Queued(RequestKind kind, absl::Duration waited);

  // Text.
  void FirstToken(absl::Duration since_admission);
  void NextToken(absl::Duration since_previous);
  void RequestTokens(int64_t prompt, int64_t generated);
  void Rounds(int turns);
  void Finished(FinishReason reason);

  // An engine step: rows or items in its batch, and its time.
  void BatchRun(BatchKind kind, int batch_size, absl::Duration duration);
  void PhaseRun(Phase phase, absl::Duration duration);
  // A batch ran out of GPU memory: its requests are run again one by one.
  void RetriedAlone(BatchKind kind);
  void DenoiseSteps(int steps, absl::Duration duration);
  // `kind` is not kReason.
  void MapDrawn(RequestKind kind, absl::Duration duration);
  // From a cancellation to the release of the request's KV cache.
  void CancelLatency(absl::Duration duration);

  // KV cache in use by requests, and its size.
  void SetKv(int64_t used_bytes, int64_t capacity_bytes);
  // Memory of the model's GPU; without one there are no such series.
  void SetGpuMemory(int64_t allocated_bytes, int64_t reserved_bytes,
                    int64_t free_bytes);
  // KV cache held by the prefix cache, not part of the above.
  void SetPrefixCacheBytes(int64_t bytes);
  // Since the last call: tokens looked up, tokens found, prefixes evicted.
  void PrefixCacheUsed(int64_t queried, int64_t hits, int64_t evictions);
  // Conversation sessions held, and their KV cache.
  void SetSessions(int sessions, int64_t bytes);
  void SessionsEvicted(SessionEviction reason, int64_t count);
  void SetEngineUp(bool up);
  void SetEngineLastStep(absl::Time wall_clock);
  void SetReady(bool ready);
  void NonFinite();  // a not-finite logit or latent was seen

  // Slow readers.
  void StreamStalled();
  // Open connections, and those that were not taken: `reason` is "total" or
  // "address" (the limit that was reached), or "descriptors".
  void SetConnections(int connections);
  void ConnectionRefused(absl::string_view reason);
  void AddStreamBuffer(int64_t delta_bytes);

  // Spans of traces that a collector took (`exported`), or that were lost.
  void SpansEnded(int64_t spans, bool exported);

  // Expiry of the served certificate; without TLS there is no such series.
  void SetTlsCertExpiry(absl::Time expiry);

  // Facts, once.
  void ModelLoaded(LoadStage stage, absl::Duration duration);
  void SetBuildInfo(const std::string& version);
  void SetModelInfo(const std::string& model, const std::string& device,
                    const std::string& dtype);

 private:
  struct Series;
  std::unique_ptr<Series> series_;
};

}  // namespace cooper::metrics

#endif  // COOPER_SERVER_METRICS_SERVER_METRICS_H_
