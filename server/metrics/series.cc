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

// Tokens, engine steps, work in a phase and cancellations, in seconds: from the
// fastest token of the demo checkpoint to the slowest step on a CPU. Neighbours
// differ by a factor of at most 2.
const Buckets& StepBuckets() {
  static const Buckets kBuckets = {
      0.0001, 0.0002, 0.0003, 0.0005, 0.00075, 0.001, 0.002, 0.003, 0.005,
      0.0075, 0.01,   0.02,   0.03,   0.05,    0.075, 0.1,   0.2,   0.3,
      0.5,    0.75,   1,      2,      4,       8,     15,    30};
  return kBuckets;
}

// Requests, queueing, first tokens and maps, in seconds, as finely.
const Buckets& RequestBuckets() {
  static const Buckets kBuckets = {
      0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 0.75, 1,
      2,     3,    5,    7.5,  10,   20,    30,  60,  120, 240, 480,  960};
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

}  // namespace

ServerMetrics::Series::Series(Registry* registry)
    : rpc_started(Counters(registry, "cooper_rpc_started_total",
                           "RPCs started, by method.")),
      in_flight(Gauges(registry, "cooper_requests_in_flight",
                       "RPCs started and not finished, by method.")),
      requests(Counters(registry, "cooper_requests_total",
                        "RPCs finished, by gRPC status code.")),
      durations(Histograms(registry, "cooper_request_duration_seconds",
                           "Time from an RPC's start to its end."),
                RequestBuckets()),
      rejections(
          Counters(registry, "cooper_rejections_total",
                   "RPCs rejected before any work was done, by reason.")),
      cancellations(Counters(registry, "cooper_cancellations_total",
                             "RPCs ended early by the client, the "
                             "deadline, a stalled reader or shutdown.")),
      errors(Counters(registry, "cooper_errors_total",
                      "RPCs that failed in the server, by reason.")),
      image_rejections(Counters(registry, "cooper_image_rejections_total",
                                "Input images rejected, by reason.")),
      image_decode_bytes(Gauges(registry, "cooper_image_decode_bytes_in_use",
                                "Memory reserved for decoding input images.")
                             .Add({})),
      overload_state(
          Gauges(registry, "cooper_overload_state",
                 "0: new work is taken. 1: it is refused, since the memory of "
                 "the process is near its limit.")
              .Add({})),
      queue_depth(
          Gauges(registry, "cooper_queue_depth", "Requests in the queue.")
              .Add({})),
      running(Gauges(registry, "cooper_requests_running",
                     "Requests that hold KV cache.")
                  .Add({})),
      queue_duration(
          Histograms(registry, "cooper_queue_duration_seconds",
                     "Time from admission to the start of a request."),
          RequestBuckets()),
      first_token(Histograms(registry, "cooper_time_to_first_token_seconds",
                             "Time from admission to the first token.")
                      .Add({}, RequestBuckets())),
      next_token(Histograms(registry, "cooper_time_per_output_token_seconds",
                            "Time between two generated tokens of a request.")
                     .Add({}, StepBuckets())),
      prompt_tokens(
          Counters(registry, "cooper_prompt_tokens_total",
                   "Prompt tokens of finished requests, images included.")
              .Add({})),
      generation_tokens(Counters(registry, "cooper_generation_tokens_total",
                                 "Generated tokens of finished requests.")
                            .Add({})),
      request_prompt_tokens(Histograms(registry, "cooper_request_prompt_tokens",
                                       "Prompt tokens of a request.")
                                .Add({}, TokenBuckets())),
      request_generation_tokens(Histograms(registry,
                                           "cooper_request_generation_tokens",
                                           "Generated tokens of a request.")
                                    .Add({}, TokenBuckets())),
      rounds(Histograms(registry, "cooper_reasoning_rounds",
                        "Texts generated for a request.")
                 .Add({}, RoundBuckets())),
      finish_reasons(
          Counters(registry, "cooper_finish_reason_total",
                   "Successful requests, by the reason why they ended.")),
      batch_size(Histograms(registry, "cooper_batch_size",
                            "Items in the batch of an engine step."),
                 BatchBuckets()),
      step_duration(Histograms(registry, "cooper_engine_step_duration_seconds",
                               "Time of an engine step."),
                    StepBuckets()),
      engine_steps(Counters(registry, "cooper_engine_steps_total",
                            "Engine steps, each of one batch.")),
      gpu_memory_retries(
          Counters(registry, "cooper_gpu_memory_retries_total",
                   "Batches that ran out of GPU memory and were run "
                   "again one request at a time.")),
      phase_duration(
          Histograms(registry, "cooper_phase_duration_seconds",
                     "Time of work in a phase, for each batch or image file."),
          StepBuckets()),
      denoise_steps(Counters(registry, "cooper_denoise_steps_total",
                             "Denoising steps, summed over maps and images.")
                        .Add({})),
      denoise_step_duration(Histograms(registry,
                                       "cooper_denoise_step_duration_seconds",
                                       "Time of a denoising step of a batch.")
                                .Add({}, StepBuckets())),
      images_generated(Counters(registry, "cooper_images_generated_total",
                                "Maps and images generated.")),
      map_duration(Histograms(registry, "cooper_map_duration_seconds",
                              "Time from a map's start to its last denoising "
                              "step."),
                   RequestBuckets()),
      cancel_latency(Histograms(registry, "cooper_cancel_latency_seconds",
                                "Time from a cancellation to the release "
                                "of the request's KV cache.")
                         .Add({}, StepBuckets())),
      kv_usage(Gauges(registry, "cooper_kv_cache_usage_ratio",
                      "Share of the KV cache in use, 0 to 1.")
                   .Add({})),
      kv_bytes(Gauges(registry, "cooper_kv_cache_bytes",
                      "KV cache in use by requests.")
                   .Add({})),
      kv_capacity(Gauges(registry, "cooper_kv_cache_capacity_bytes",
                         "Size of the KV cache.")
                      .Add({})),
      gpu_allocated(Gauges(registry, "cooper_gpu_memory_allocated_bytes",
                           "GPU memory allocated for tensors.")),
      gpu_reserved(Gauges(registry, "cooper_gpu_memory_reserved_bytes",
                          "GPU memory reserved by the tensor allocator.")),
      gpu_free(
          Gauges(registry, "cooper_gpu_memory_free_bytes", "Free GPU memory.")),
      prefix_cache_bytes(Gauges(registry, "cooper_prefix_cache_bytes",
                                "KV cache held by the prefix cache.")
                             .Add({})),
      prefix_cache_queries(
          Counters(registry, "cooper_prefix_cache_queries_total",
                   "Prompt tokens looked up in the prefix cache.")
              .Add({})),
      prefix_cache_hits(Counters(registry, "cooper_prefix_cache_hits_total",
                                 "Prompt tokens found in the prefix cache.")
                            .Add({})),
      prefix_cache_evictions(Counters(registry,
                                      "cooper_prefix_cache_evictions_total",
                                      "Prefixes evicted from the prefix cache.")
                                 .Add({})),
      sessions(
          Gauges(registry, "cooper_sessions", "Conversation sessions held.")
              .Add({})),
      session_bytes(Gauges(registry, "cooper_session_bytes",
                           "KV cache held by conversation sessions.")
                        .Add({})),
      session_evictions(Counters(registry, "cooper_sessions_evicted_total",
                                 "Conversation sessions evicted, by reason.")),
      engine_up(Gauges(registry, "cooper_engine_up",
                       "1 while the engine is operational.")
                    .Add({})),
      engine_last_step(Gauges(registry,
                              "cooper_engine_last_step_timestamp_seconds",
                              "Unix time of the last engine step.")
                           .Add({})),
      ready(
          Gauges(registry, "cooper_ready", "1 while new requests are accepted.")
              .Add({})),
      nonfinite(Counters(registry, "cooper_nonfinite_total",
                         "Non-finite logits or latents detected.")
                    .Add({})),
      connections(Gauges(registry, "cooper_grpc_connections",
                         "Open connections of gRPC callers.")
                      .Add({})),
      connections_refused(
          Counters(registry, "cooper_grpc_connections_refused_total",
                   "Connections that were closed at once, by the limit that "
                   "was reached, and pauses for want of descriptors.")),
      stream_stalls(Counters(registry, "cooper_stream_stalls_total",
                             "Streams ended because their reader stalled.")
                        .Add({})),
      stream_buffer(Gauges(registry, "cooper_stream_buffer_bytes",
                           "Bytes of events that wait for their readers.")
                        .Add({})),
      load_duration(Gauges(registry, "cooper_model_load_duration_seconds",
                           "Time of a stage of loading the model.")),
      spans_exported(Counters(registry, "cooper_trace_spans_exported_total",
                              "Spans exported to the trace collector.")
                         .Add({})),
      spans_dropped(Counters(registry, "cooper_trace_spans_dropped_total",
                             "Spans lost: the export queue was full or the "
                             "collector did not accept them.")
                        .Add({})),
      tls_cert_expiry(Gauges(registry,
                             "cooper_tls_cert_expiry_timestamp_seconds",
                             "Unix time at which the certificate expires.")),
      build_info(Gauges(registry, "cooper_build_info",
                        "Always 1; the version is a label.")),
      model_info(Gauges(registry, "cooper_model_info",
                        "Always 1; facts of the served model are labels.")) {
  // Of failures, so that a rate sees the first one.
  for (const auto kind :
       {engine::BatchKind::kDecode, engine::BatchKind::kPrefill,
        engine::BatchKind::kDenoise, engine::BatchKind::kVaeDecode}) {
    gpu_memory_retries.With(
        {{"phase", engine::PhaseName(engine::PhaseOf(kind))}});
  }
  for (const char* reason : {"total", "address", "descriptors"}) {
    connections_refused.With({{"reason", reason}});
  }
  for (const char* reason : {"expired", "quota", "memory"}) {
    session_evictions.With({{"reason", reason}});
  }
}

}  // namespace cooper::metrics
