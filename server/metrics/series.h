#ifndef COOPER_SERVER_METRICS_SERIES_H_
#define COOPER_SERVER_METRICS_SERIES_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <utility>

#include "server/metrics/server_metrics.h"

// Private to server/metrics: the metric families of ServerMetrics.

namespace cooper::metrics {

// A family whose series appear with their first use.
template <typename Metric>
class Labelled {
 public:
  explicit Labelled(prometheus::Family<Metric>& family) : family_(family) {}
  Metric& With(const prometheus::Labels& labels) { return family_.Add(labels); }

 private:
  prometheus::Family<Metric>& family_;
};

template <>
class Labelled<prometheus::Histogram> {
 public:
  using Buckets = prometheus::Histogram::BucketBoundaries;

  Labelled(prometheus::Family<prometheus::Histogram>& family, Buckets buckets)
      : family_(family), buckets_(std::move(buckets)) {}
  prometheus::Histogram& With(const prometheus::Labels& labels) {
    return family_.Add(labels, buckets_);
  }

 private:
  prometheus::Family<prometheus::Histogram>& family_;
  const Buckets buckets_;
};

struct ServerMetrics::Series {
  using Counter = prometheus::Counter;
  using Gauge = prometheus::Gauge;
  using Histogram = prometheus::Histogram;

  // Registers all families; throws where a name is taken (our own mistake).
  explicit Series(prometheus::Registry* registry);

  // RPCs, by method.
  Labelled<Counter> rpc_started;
  Labelled<Gauge> in_flight;
  Labelled<Counter> requests;       // method, code
  Labelled<Histogram> durations;    // method, code
  Labelled<Counter> rejections;     // method, reason
  Labelled<Counter> cancellations;  // method, cause, phase
  Labelled<Counter> errors;         // method, reason

  Labelled<Counter> image_rejections;  // reason
  Gauge& image_decode_bytes;
  Gauge& overload_state;
  Gauge& queue_depth;
  Gauge& running;
  Labelled<Histogram> queue_duration;  // kind

  Histogram& first_token;
  Histogram& next_token;
  Counter& prompt_tokens;
  Counter& generation_tokens;
  Histogram& request_prompt_tokens;
  Histogram& request_generation_tokens;
  Histogram& rounds;
  Labelled<Counter> finish_reasons;  // reason

  // Steps of the engine, by phase.
  Labelled<Histogram> batch_size;
  Labelled<Histogram> step_duration;
  Labelled<Counter> engine_steps;
  Labelled<Counter> gpu_memory_retries;
  Labelled<Histogram> phase_duration;
  Counter& denoise_steps;
  Histogram& denoise_step_duration;
  Labelled<Counter> images_generated;  // kind
  Labelled<Histogram> map_duration;    // kind
  Histogram& cancel_latency;

  Gauge& kv_usage;
  Gauge& kv_bytes;
  Gauge& kv_capacity;
  Labelled<Gauge> gpu_allocated;
  Labelled<Gauge> gpu_reserved;
  Labelled<Gauge> gpu_free;
  Gauge& prefix_cache_bytes;
  Counter& prefix_cache_queries;
  Counter& prefix_cache_hits;
  Counter& prefix_cache_evictions;
  Gauge& sessions;
  Gauge& session_bytes;
  Labelled<Counter> session_evictions;  // reason
  Gauge& engine_up;
  Gauge& engine_last_step;
  Gauge& ready;
  Counter& nonfinite;
  Gauge& connections;
  Labelled<Counter> connections_refused;  // reason
  Counter& stream_stalls;
  Gauge& stream_buffer;
  Labelled<Gauge> load_duration;  // stage
  Counter& spans_exported;
  Counter& spans_dropped;
  Labelled<Gauge> tls_cert_expiry;
  Labelled<Gauge> build_info;
  Labelled<Gauge> model_info;
};

}  // namespace cooper::metrics

#endif  // COOPER_SERVER_METRICS_SERIES_H_
