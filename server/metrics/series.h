#ifndef COOPER_SERVER_METRICS_SERIES_H_
#define COOPER_SERVER_METRICS_SERIES_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <cstddef>

#include "server/metrics/server_metrics.h"

// Private to server/metrics: every series of ServerMetrics and its labels.

namespace cooper::metrics {

// Label values, in the order of their enums.
inline constexpr std::array kMethods = {
    "Reason",        "EstimateDepth", "Segment",    "GenerateImage",
    "Converse",      "GetModel",      "ModelInfer", "ModelStreamInfer",
    "InferenceInfo", "other"};
inline constexpr std::array kKinds = {"reason", "depth", "segmentation",
                                      "image"};
inline constexpr std::array kPhases = {
    "decode_image", "vit",       "vae_encode", "prefill",
    "decode",       "diffusion", "vae_decode", "encode_image"};
inline constexpr std::array kRejections = {
    "queue_full", "client_limit", "queue_timeout",    "memory_pressure",
    "draining",   "loading",      "invalid_argument", "unauthenticated",
    "not_found",  "session_busy", "unsupported",      "unimplemented"};
inline constexpr std::array kCauses = {"client", "deadline", "stall",
                                       "shutdown"};
inline constexpr std::array kCancelPhases = {"queue",     "prefill", "decode",
                                             "diffusion", "codec",   "write"};
inline constexpr std::array kErrors = {"engine", "gpu_memory", "numeric",
                                       "encode", "internal"};
inline constexpr std::array kFinishReasons = {"answered", "max_turns",
                                              "max_tokens", "no_request"};
inline constexpr std::array kWaves = {"append", "decode", "flow",
                                      "decode_latents"};
inline constexpr std::array kImageRejections = {
    "format", "corrupt", "pixels", "aspect", "chunk", "scans", "count"};
inline constexpr std::array kSessionEvictions = {"expired", "quota", "memory"};
inline constexpr std::array kStages = {"load", "warm_up"};

// The status codes that this server sends, with their numbers.
struct Code {
  int number;
  const char* name;
};
inline constexpr std::array kCodes = {
    Code{13, "INTERNAL"},          Code{0, "OK"},
    Code{1, "CANCELLED"},          Code{3, "INVALID_ARGUMENT"},
    Code{4, "DEADLINE_EXCEEDED"},  Code{5, "NOT_FOUND"},
    Code{8, "RESOURCE_EXHAUSTED"}, Code{9, "FAILED_PRECONDITION"},
    Code{12, "UNIMPLEMENTED"},     Code{14, "UNAVAILABLE"},
    Code{16, "UNAUTHENTICATED"}};

inline constexpr size_t kNumMethods = kMethods.size();

// References into the registry, indexed by the enums of ServerMetrics.
struct ServerMetrics::Series {
  using Counter = prometheus::Counter;
  using Gauge = prometheus::Gauge;
  using Histogram = prometheus::Histogram;

  // Registers all families; throws where a name is taken (our own mistake).
  explicit Series(prometheus::Registry* registry);

  std::array<Counter*, kNumMethods> rpc_started;
  std::array<Gauge*, kNumMethods> in_flight;
  std::array<std::array<Counter*, kCodes.size()>, kNumMethods> requests;
  std::array<std::array<Histogram*, kCodes.size()>, kNumMethods> durations;
  std::array<std::array<Counter*, kRejections.size()>, kNumMethods> rejections;
  std::array<
      std::array<std::array<Counter*, kCancelPhases.size()>, kCauses.size()>,
      kNumMethods>
      cancellations;
  std::array<std::array<Counter*, kErrors.size()>, kNumMethods> errors;

  std::array<Counter*, kImageRejections.size()> image_rejections;
  Gauge& image_decode_bytes;
  Gauge& queue_depth;
  Gauge& running;
  std::array<Histogram*, kKinds.size()> queue_duration;

  Histogram& first_token;
  Histogram& next_token;
  Counter& prompt_tokens;
  Counter& generation_tokens;
  Histogram& request_prompt_tokens;
  Histogram& request_generation_tokens;
  Histogram& rounds;
  std::array<Counter*, kFinishReasons.size()> finish_reasons;

  std::array<Histogram*, kWaves.size()> batch_size;
  std::array<Histogram*, kWaves.size()> step_duration;
  std::array<Counter*, kWaves.size()> engine_steps;
  std::array<Counter*, kWaves.size()> gpu_memory_retries;
  std::array<Histogram*, kPhases.size()> phase_duration;
  Counter& flow_steps;
  Histogram& flow_step_duration;
  // By Kind; a map is never of kind reason.
  std::array<Counter*, kKinds.size()> images_generated{};
  std::array<Histogram*, kKinds.size()> map_duration{};
  Histogram& cancel_latency;

  Gauge& kv_usage;
  Gauge& kv_bytes;
  Gauge& kv_capacity;
  prometheus::Family<Gauge>& gpu_allocated;
  prometheus::Family<Gauge>& gpu_reserved;
  prometheus::Family<Gauge>& gpu_free;
  Gauge& prefix_cache_bytes;
  Counter& prefix_cache_queries;
  Counter& prefix_cache_hits;
  Counter& prefix_cache_evictions;
  Gauge& sessions;
  Gauge& session_bytes;
  std::array<Counter*, kSessionEvictions.size()> session_evictions;
  Gauge& engine_up;
  Gauge& engine_last_step;
  Gauge& ready;
  Counter& nonfinite;
  Counter& stream_stalls;
  Gauge& stream_buffer;
  std::array<Gauge*, kStages.size()> load_duration;
  Counter& spans_exported;
  Counter& spans_dropped;
  prometheus::Family<Gauge>& tls_cert_expiry;
  prometheus::Family<Gauge>& build_info;
  prometheus::Family<Gauge>& model_info;
};

}  // namespace cooper::metrics

#endif  // COOPER_SERVER_METRICS_SERIES_H_
