#ifndef COOPER_SERVER_METRICS_SERVER_METRICS_H_
#define COOPER_SERVER_METRICS_SERVER_METRICS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"

namespace prometheus {
class Registry;
}

namespace cooper::metrics {

// Label values are closed sets; every series exists from the start, at 0.
enum class Method {
  kReason,
  kEstimateDepth,
  kSegment,
  kGenerateImage,
  kConverse,
  kGetModel,
  kModelInfer,
  kModelStreamInfer,  // its requests, not the streams
  kInferenceInfo,     // ServerLive, ... ModelConfig
  kOther
};
enum class Kind {
  kReason,
  kDepth,
  kSegmentation,
  kImage
};  // of requests, maps
enum class Phase {
  kDecodeImage,
  kVit,
  kVaeEncode,
  kPrefill,
  kDecode,
  kDiffusion,
  kVaeDecode,
  kEncodeImage
};
enum class Rejection {
  kQueueFull,
  kClientLimit,
  kQueueTimeout,
  kMemoryPressure,
  kDraining,
  kLoading,
  kInvalidArgument,
  kUnauthenticated,
  kNotFound,
  kSessionBusy,
  kUnsupported,
  kUnimplemented
};
// kClient: cancelled or gone; gRPC does not tell which.
enum class CancelCause { kClient, kDeadline, kStall, kShutdown };
// kWrite: all work was done, its events waited for the reader.
enum class CancelPhase {
  kQueue,
  kPrefill,
  kDecode,
  kDiffusion,
  kCodec,
  kWrite
};
// Its label value, also for logs: "queue", ...
const char* NameOf(CancelPhase phase);
// The label of the phase in metrics.
const char* NameOf(Phase phase);
enum class Error { kEngine, kGpuMemory, kNumeric, kEncode, kInternal };
enum class FinishReason { kAnswered, kMaxTurns, kMaxTokens, kNoRequest };
enum class Wave { kAppend, kDecode, kFlow, kDecodeLatents };
enum class ImageRejection {
  kFormat,
  kCorrupt,
  kPixels,
  kAspect,
  kChunk,
  kScans,
  kCount
};
enum class SessionEviction { kExpired, kQuota, kMemory };
enum class LoadStage { kLoad, kWarmUp };

// All metrics of the server (names and meanings: docs/metrics.md), built on a
// given registry; references are kept, nothing is looked up by name later.
//
// Accounting identity, exact at rest, per method:
//   rpc_started = sum over codes of requests + in flight, and
//   sum over codes but OK of requests = rejections + cancellations + errors.
//
// Thread-safe.
class ServerMetrics {
 public:
  explicit ServerMetrics(prometheus::Registry* registry);
  ~ServerMetrics();

  // An RPC began; one RpcFinished follows. `grpc_code` is one that this server
  // sends; any other counts as INTERNAL (13).
  void RpcStarted(Method method);
  void RpcFinished(Method method, int grpc_code, absl::Duration duration);

  // Why an RPC did not end with OK: exactly one of these per such RPC, called
  // where the RPC's final status is known (server/rpc).
  void Rejected(Method method, Rejection reason);
  void Cancelled(Method method, CancelCause cause, CancelPhase phase);
  void Failed(Method method, Error reason);

  void ImageRejected(ImageRejection reason);
  // Raster bytes in use grew (or shrank) by `delta_bytes`.
  void AddImageDecodeBytes(int64_t delta_bytes);

  // Queue and running set.
  void SetLoad(int queued, int running);
  void Queued(Kind kind, absl::Duration waited);

  // Text.
  void FirstToken(absl::Duration since_admission);
  void NextToken(absl::Duration since_previous);
  void RequestTokens(int64_t prompt, int64_t generated);
  void Rounds(int turns);
  void Finished(FinishReason reason);

  // Waves of the engine: how many rows or items went together, how long.
  void WaveRun(Wave wave, int batch_size, absl::Duration duration);
  void PhaseRun(Phase phase, absl::Duration duration);
  // A batch ran out of GPU memory: its requests are run again one by one.
  void RetriedAlone(Wave wave);
  void FlowSteps(int steps, absl::Duration duration);
  void MapDrawn(Kind kind, absl::Duration duration);
  // From CancelToken::Cancel's being seen to the slot's being free.
  void CancelLatency(absl::Duration duration);

  // What requests hold of the KV cache, and its size.
  void SetKv(int64_t used_bytes, int64_t capacity_bytes);
  // Of the GPU that the model is on; without one there are no such series.
  void SetGpuMemory(int64_t allocated_bytes, int64_t reserved_bytes,
                    int64_t free_bytes);
  // What the prefix cache holds beside them.
  void SetPrefixCacheBytes(int64_t bytes);
  // Since the last call: tokens that might have been in it, those that were,
  // entries dropped.
  void PrefixCacheUsed(int64_t queried, int64_t hits, int64_t evictions);
  // Conversations that are kept, and the KV cache of those.
  void SetSessions(int sessions, int64_t bytes);
  void SessionsEvicted(SessionEviction reason, int64_t count);
  void SetEngineUp(bool up);
  void SetEngineLastStep(absl::Time wall_clock);
  void SetReady(bool ready);
  void NonFinite();  // a not-finite logit or latent was seen

  // Slow readers.
  void StreamStalled();
  void AddStreamBuffer(int64_t delta_bytes);

  // Spans of traces that a collector took, or that were lost on the way.
  void SpansExported(int64_t spans);
  void SpansDropped(int64_t spans);

  // Of the certificate that is served; without TLS there is no such series.
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
