#ifndef COOPER_SERVER_TRACING_CALL_TRACE_H_
#define COOPER_SERVER_TRACING_CALL_TRACE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "server/tracing/span.h"

namespace cooper::tracing {

// Takes spans that are over. Called from any thread; must not block.
using SpanSink = std::function<void(std::vector<Span>)>;

// The spans of one call: its own, and of the work within it. They are given
// away when the last holder lets go; in a long call (a conversation) those of
// work also before, some at a time. Times are base::Clock's. Thread-safe.
class CallTrace {
 public:
  // Spans that are given away together, at most.
  static constexpr size_t kMaxTogether = 64;

  // What is known when work begins. An empty parent id: the call's own span.
  struct Work {
    std::string name;
    absl::Time start, end;
    std::string span_id;  // empty: one is drawn
    std::string parent_id;
    std::vector<Attribute> attributes;
    bool failed = false;
    std::string message;
  };

  // `call` has all but start and end.
  CallTrace(Span call, absl::Time start, absl::Duration to_wall, SpanSink sink);
  ~CallTrace();
  CallTrace(const CallTrace&) = delete;
  CallTrace& operator=(const CallTrace&) = delete;

  const std::string& trace_id() const { return trace_id_; }

  void Add(Work work) ABSL_LOCKS_EXCLUDED(mutex_);

  // How the call itself ended; the last one counts. Without it: it ended when
  // the trace did, and failed.
  void End(absl::Time end, bool failed, absl::string_view message,
           std::vector<Attribute> attributes) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const std::string trace_id_;
  const std::string span_id_;
  const absl::Duration to_wall_;  // from base::Clock's time
  const SpanSink sink_;
  base::Mutex mutex_;
  // The call's own first.
  std::vector<Span> spans_ ABSL_GUARDED_BY(mutex_);
};

// A new span's id: 16 lower-case hex digits.
std::string DrawSpanId();

// Begins the traces of calls. Thread-safe.
class Tracer {
 public:
  // Of calls whose caller does not say whether it records: the share that is
  // recorded, in [0, 1]. `clock` must outlive the tracer, the sink all traces.
  Tracer(double sample_ratio, const base::Clock* clock, SpanSink sink);

  // A call of the method ("cooper.v1.SpatialReasoningService/Reason") that
  // came with this traceparent header (or none, or a malformed one: a new
  // trace). Null: it is not recorded.
  std::shared_ptr<CallTrace> Begin(absl::string_view traceparent,
                                   absl::string_view method) const;

 private:
  const double sample_ratio_;
  const base::Clock* const clock_;
  const SpanSink sink_;
};

}  // namespace cooper::tracing

#endif  // COOPER_SERVER_TRACING_CALL_TRACE_H_
