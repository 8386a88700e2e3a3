#include "server/metrics/series.h"

namespace cooper::metrics {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Labels;
using prometheus::Registry;
using Buckets = Histogram::BucketBoundaries;

const Buckets& RequestBuckets() {
  static const Buckets kBuckets = {0.3, 0.5, 0.8, 1,   1.5, 2,  2.5,
                                   5,   10,  15,  20,  30,  40, 50,
                                   60,  120, 240, 480, 960};
  return kBuckets;
}

const Buckets& QueueBuckets() {
  static const Buckets kBuckets = [] {
    Buckets buckets = {0.005, 0.05};
    buckets.insert(buckets.end(), RequestBuckets().begin(),
                   RequestBuckets().end());
    return buckets;
  }();
  return kBuckets;
}

const Buckets& FirstTokenBuckets() {
  static const Buckets kBuckets = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08,
                                   0.1,   0.25,  0.5,  0.75, 1,    2.5,  5,
                                   7.5,   10,    20,   40,   80};
  return kBuckets;
}

const Buckets& StepBuckets() {
  static const Buckets kBuckets = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,
                                   0.3,  0.4,   0.5,  0.75,  1,   2.5};
  return kBuckets;
}

const Buckets& CancelBuckets() {
  static const Buckets kBuckets = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                   0.1,   0.25,   0.5,   1,    2.5,   5};
  return kBuckets;
}

const Buckets& TokenBuckets() {
  static const Buckets kBuckets = {1,    2,    5,     10,    20,
                                   50,   100,  200,   500,   1000,
                                   2000, 5000, 10000, 20000, 50000};
  return kBuckets;
}

const Buckets& BatchBuckets() {
  static const Buckets kBuckets = {1,   2,   4,    8,    16,   32,   64,   128,
                                   256, 512, 1024, 2048, 4096, 8192, 16384};
  return kBuckets;
}

const Buckets& RoundBuckets() {
  static const Buckets kBuckets = {1, 2, 3, 4, 8, 16};
  return kBuckets;
}

Family<Counter>& Counters(Registry* registry, const char* name,
                          const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*registry);
}
Family<Gauge>& Gauges(Registry* registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(*registry);
}
Family<Histogram>& Histograms(Registry* registry, const char* name,
                              const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(*registry);
}

// One series a value of a label.
template <typename Metric, size_t N, typename... Args>
std::array<Metric*, N> Each(Family<Metric>& family, const char* label,
                            const std::array<const char*, N>& values,
                            const Args&... args) {
  std::array<Metric*, N> series;
  for (size_t i = 0; i < N; ++i) {
    series[i] = &family.Add({{label, values[i]}}, args...);
  }
  return series;
}

template <typename Enum>
constexpr size_t At(Enum value) {
  return static_cast<size_t>(value);
}

}  // namespace

ServerMetrics::Series::Series(Registry* registry)
    : rpc_started(Each(Counters(registry, "cooper_rpc_started_total",
                                "RPCs that reached a handler."),
                       "method", kMethods)),
      in_flight(Each(Gauges(registry, "cooper_requests_in_flight",
                            "RPCs begun and not finished."),
                     "method", kMethods)),
      image_rejections(Each(Counters(registry, "cooper_image_rejections_total",
                                     "Input images refused."),
                            "reason", kImageRejections)),
      image_decode_bytes(Gauges(registry, "cooper_image_decode_bytes_in_use",
                                "Raster bytes of input images in use.")
                             .Add({})),
      queue_depth(
          Gauges(registry, "cooper_queue_depth", "Admitted requests that wait.")
              .Add({})),
      running(Gauges(registry, "cooper_requests_running",
                     "Requests that hold contexts.")
                  .Add({})),
      queue_duration(Each(Histograms(registry, "cooper_queue_duration_seconds",
                                     "Time from admission to the first work."),
                          "kind", kKinds, QueueBuckets())),
      first_token(Histograms(registry, "cooper_time_to_first_token_seconds",
                             "Time from admission to the first token.")
                      .Add({}, FirstTokenBuckets())),
      next_token(Histograms(registry, "cooper_time_per_output_token_seconds",
                            "Time from one token of a text to the next.")
                     .Add({}, StepBuckets())),
      prompt_tokens(Counters(registry, "cooper_prompt_tokens_total",
                             "Tokens of prompts, images included.")
                        .Add({})),
      generation_tokens(Counters(registry, "cooper_generation_tokens_total",
                                 "Tokens written.")
                            .Add({})),
      request_prompt_tokens(Histograms(registry, "cooper_request_prompt_tokens",
                                       "Prompt tokens of one request.")
                                .Add({}, TokenBuckets())),
      request_generation_tokens(Histograms(registry,
                                           "cooper_request_generation_tokens",
                                           "Tokens written for one request.")
                                    .Add({}, TokenBuckets())),
      rounds(Histograms(registry, "cooper_reasoning_rounds",
                        "Texts that the model wrote for one question.")
                 .Add({}, RoundBuckets())),
      finish_reasons(Each(Counters(registry, "cooper_finish_reason_total",
                                   "Requests that ended well, by why."),
                          "reason", kFinishReasons)),
      batch_size(Each(Histograms(registry, "cooper_batch_size",
                                 "Items that one engine step served."),
                      "phase", kWaves, BatchBuckets())),
      step_duration(
          Each(Histograms(registry, "cooper_engine_step_duration_seconds",
                          "Time of one engine step."),
               "phase", kWaves, FirstTokenBuckets())),
      engine_steps(Each(Counters(registry, "cooper_engine_steps_total",
                                 "Steps (waves) that the engine ran."),
                        "phase", kWaves)),
      gpu_memory_retries(
          Each(Counters(registry, "cooper_gpu_memory_retries_total",
                        "Batches that ran out of GPU memory and were run "
                        "again one request at a time."),
               "phase", kWaves)),
      phase_duration(Each(Histograms(registry, "cooper_phase_duration_seconds",
                                     "Time of one piece of work."),
                          "phase", kPhases, FirstTokenBuckets())),
      flow_steps(Counters(registry, "cooper_diffusion_steps_total",
                          "Flow steps, summed over maps.")
                     .Add({})),
      flow_step_duration(Histograms(registry,
                                    "cooper_diffusion_step_duration_seconds",
                                    "Time of one flow step of a batch.")
                             .Add({}, StepBuckets())),
      cancel_latency(Histograms(registry, "cooper_cancel_latency_seconds",
                                "Time from seeing a cancel to the slot "
                                "being free.")
                         .Add({}, CancelBuckets())),
      kv_usage(Gauges(registry, "cooper_kv_cache_usage_ratio",
                      "Used part of the KV cache, 0 to 1.")
                   .Add({})),
      kv_bytes(Gauges(registry, "cooper_kv_cache_bytes",
                      "KV cache that requests use.")
                   .Add({})),
      kv_capacity(Gauges(registry, "cooper_kv_cache_capacity_bytes",
                         "Size of the KV cache.")
                      .Add({})),
      gpu_allocated(Gauges(registry, "cooper_gpu_memory_allocated_bytes",
                           "GPU memory in tensors.")),
      gpu_reserved(Gauges(registry, "cooper_gpu_memory_reserved_bytes",
                          "GPU memory taken for tensors, unused blocks "
                          "included.")),
      gpu_free(Gauges(registry, "cooper_gpu_memory_free_bytes",
                      "Free memory of the GPU.")),
      prefix_cache_bytes(Gauges(registry, "cooper_prefix_cache_bytes",
                                "KV cache kept for requests to come.")
                             .Add({})),
      prefix_cache_queries(
          Counters(registry, "cooper_prefix_cache_queries_total",
                   "Prompt tokens looked for in the prefix cache.")
              .Add({})),
      prefix_cache_hits(Counters(registry, "cooper_prefix_cache_hits_total",
                                 "Prompt tokens found in the prefix cache.")
                            .Add({})),
      prefix_cache_evictions(Counters(registry,
                                      "cooper_prefix_cache_evictions_total",
                                      "Entries dropped from the prefix cache.")
                                 .Add({})),
      sessions(
          Gauges(registry, "cooper_sessions", "Conversations kept.").Add({})),
      session_bytes(Gauges(registry, "cooper_session_bytes",
                           "KV cache that conversations hold.")
                        .Add({})),
      session_evictions(Each(Counters(registry, "cooper_sessions_evicted_total",
                                      "Conversations dropped."),
                             "reason", kSessionEvictions)),
      engine_up(
          Gauges(registry, "cooper_engine_up", "1 while the engine can work.")
              .Add({})),
      engine_last_step(Gauges(registry,
                              "cooper_engine_last_step_timestamp_seconds",
                              "Unix time of the engine's last step.")
                           .Add({})),
      ready(Gauges(registry, "cooper_ready", "1 while new requests are taken.")
                .Add({})),
      nonfinite(Counters(registry, "cooper_nonfinite_total",
                         "Logits or latents seen that are not finite.")
                    .Add({})),
      stream_stalls(Counters(registry, "cooper_stream_stalls_total",
                             "Streams ended because the reader stalled.")
                        .Add({})),
      stream_buffer(Gauges(registry, "cooper_stream_buffer_bytes",
                           "Bytes of events that wait for their readers.")
                        .Add({})),
      load_duration(Each(Gauges(registry, "cooper_model_load_duration_seconds",
                                "Time that a stage of loading took."),
                         "stage", kStages)),
      spans_exported(Counters(registry, "cooper_trace_spans_exported_total",
                              "Spans of traces that the collector took.")
                         .Add({})),
      spans_dropped(Counters(registry, "cooper_trace_spans_dropped_total",
                             "Spans of traces that were lost: no place to "
                             "wait, or not taken by the collector.")
                        .Add({})),
      tls_cert_expiry(Gauges(registry,
                             "cooper_tls_cert_expiry_timestamp_seconds",
                             "Unix time at which the certificate expires.")),
      build_info(
          Gauges(registry, "cooper_build_info", "1; the version as a label.")),
      model_info(Gauges(registry, "cooper_model_info",
                        "1; facts of the served model as labels.")) {
  auto& requests_family = Counters(registry, "cooper_requests_total",
                                   "RPCs finished, by status code.");
  auto& duration_family =
      Histograms(registry, "cooper_request_duration_seconds",
                 "Time from an RPC's start to its end.");
  auto& rejection_family = Counters(registry, "cooper_rejections_total",
                                    "RPCs refused before any work was done.");
  auto& cancellation_family =
      Counters(registry, "cooper_cancellations_total",
               "RPCs ended early by caller, deadline or shutdown.");
  auto& error_family = Counters(registry, "cooper_errors_total",
                                "RPCs that failed in the server.");
  for (size_t m = 0; m < kNumMethods; ++m) {
    const char* method = kMethods[m];
    for (size_t c = 0; c < kCodes.size(); ++c) {
      const Labels labels = {{"method", method}, {"code", kCodes[c].name}};
      requests[m][c] = &requests_family.Add(labels);
      durations[m][c] = &duration_family.Add(labels, RequestBuckets());
    }
    for (size_t r = 0; r < kRejections.size(); ++r) {
      rejections[m][r] = &rejection_family.Add(
          {{"method", method}, {"reason", kRejections[r]}});
    }
    for (size_t c = 0; c < kCauses.size(); ++c) {
      for (size_t p = 0; p < kCancelPhases.size(); ++p) {
        cancellations[m][c][p] =
            &cancellation_family.Add({{"method", method},
                                      {"cause", kCauses[c]},
                                      {"phase", kCancelPhases[p]}});
      }
    }
    for (size_t e = 0; e < kErrors.size(); ++e) {
      errors[m][e] =
          &error_family.Add({{"method", method}, {"reason", kErrors[e]}});
    }
  }
  auto& images_family = Counters(registry, "cooper_images_generated_total",
                                 "Maps and pictures drawn.");
  auto& map_family =
      Histograms(registry, "cooper_map_duration_seconds",
                 "Time from a map's start to its last flow step.");
  for (const Kind kind : {Kind::kDepth, Kind::kSegmentation, Kind::kImage}) {
    const Labels labels = {{"kind", kKinds[At(kind)]}};
    images_generated[At(kind)] = &images_family.Add(labels);
    map_duration[At(kind)] = &map_family.Add(labels, RequestBuckets());
  }
}

}  // namespace cooper::metrics
