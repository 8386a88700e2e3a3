#ifndef COOPER_SERVER_TRACING_SPAN_EXPORTER_H_
#define COOPER_SERVER_TRACING_SPAN_EXPORTER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "server/tracing/span.h"

namespace cooper::tracing {

// Sends spans to a collector, in batches, on a thread of its own. A collector
// that is slow or away costs spans, never a request. Thread-safe.
class SpanExporter {
 public:
  struct Options {
    size_t max_waiting = 8192;  // spans; what comes on top is dropped
    size_t max_batch = 512;     // spans of one message
    // How long spans wait for others to go with.
    absl::Duration interval = absl::Seconds(1);
    // A message that did not arrive is sent again, each time after twice the
    // wait before, so often; then its spans are dropped.
    int retries = 4;
    absl::Duration first_wait = absl::Milliseconds(500);
    // For what waits when the exporter is destroyed.
    absl::Duration flush_time = absl::Seconds(2);
  };

  // Sends a body within the timeout. UNAVAILABLE: may arrive if it is sent
  // again. Other errors: will not.
  using Send =
      std::function<absl::Status(const std::string& body, absl::Duration)>;

  // Told of every span once: whether the collector took it. Called from any
  // thread; must not block.
  using Count = std::function<void(int64_t spans, bool exported)>;

  // `resource` describes the process.
  SpanExporter(Options options, std::vector<Attribute> resource, Send send,
               Count count);
  // Sends what waits, if that goes quickly.
  ~SpanExporter() ABSL_LOCKS_EXCLUDED(mutex_);
  SpanExporter(const SpanExporter&) = delete;
  SpanExporter& operator=(const SpanExporter&) = delete;

  // All of them, or none where the place is short. Never blocks.
  void Export(std::vector<Span> spans) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  // The next batch; empty: the exporter ends and nothing is left.
  std::vector<Span> NextBatch() ABSL_LOCKS_EXCLUDED(mutex_);
  void Deliver(const std::vector<Span>& batch) ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits, but no longer than the exporter lives; returns whether it lives.
  bool Sleep(absl::Duration time) ABSL_LOCKS_EXCLUDED(mutex_);
  // Time for one attempt.
  absl::Duration SendTime() ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  const std::vector<Attribute> resource_;
  const Send send_;
  const Count count_;
  bool warned_ = false;  // of the thread

  base::Mutex mutex_;
  std::deque<Span> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time flush_end_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace cooper::tracing

#endif  // COOPER_SERVER_TRACING_SPAN_EXPORTER_H_
