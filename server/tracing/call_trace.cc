#include "server/tracing/call_trace.h"

#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "base/random_id.h"
#include "server/tracing/trace_context.h"

namespace cooper::tracing {
namespace {

constexpr size_t kTraceIdBytes = 16;
constexpr size_t kSpanIdBytes = 8;

// By the trace's id, so that all servers of a trace decide alike.
bool IsSampled(absl::string_view trace_id, double ratio) {
  uint64_t low = 0;
  COOPER_CHECK(absl::SimpleHexAtoi(trace_id.substr(kTraceIdBytes), &low));
  return static_cast<double>(low) < ratio * 0x1p64;
}

}  // namespace

std::string DrawSpanId() { return base::DrawHexId(kSpanIdBytes); }

CallTrace::CallTrace(Span call, absl::Time start, absl::Duration to_wall,
                     SpanSink sink)
    : trace_id_(call.trace_id),
      span_id_(call.span_id),
      to_wall_(to_wall),
      sink_(std::move(sink)) {
  call.start = start + to_wall_;
  call.end = absl::InfinitePast();
  spans_.push_back(std::move(call));
}

CallTrace::~CallTrace() {
  base::MutexLock lock(&mutex_);
  Span& call = spans_.front();
  if (call.end == absl::InfinitePast()) {
    call.end = absl::Now();
    call.failed = true;
  }
  sink_(std::move(spans_));
}

void CallTrace::Add(Work work) {
  Span span;
  span.trace_id = trace_id_;
  span.span_id = work.span_id.empty() ? DrawSpanId() : std::move(work.span_id);
  span.parent_id = work.parent_id.empty() ? span_id_ : work.parent_id;
  span.name = std::move(work.name);
  span.start = work.start + to_wall_;
  span.end = work.end + to_wall_;
  span.attributes = std::move(work.attributes);
  span.failed = work.failed;
  span.message = std::move(work.message);
  std::vector<Span> over;
  {
    base::MutexLock lock(&mutex_);
    spans_.push_back(std::move(span));
    if (spans_.size() < kMaxTogether) return;
    // All but the call's own, which goes on.
    over.assign(std::make_move_iterator(spans_.begin() + 1),
                std::make_move_iterator(spans_.end()));
    spans_.resize(1);
  }
  sink_(std::move(over));
}

void CallTrace::End(absl::Time end, bool failed, absl::string_view message,
                    std::vector<Attribute> attributes) {
  base::MutexLock lock(&mutex_);
  Span& call = spans_.front();
  call.end = end + to_wall_;
  call.failed = failed;
  call.message = std::string(message);
  for (Attribute& attribute : attributes) {
    call.attributes.push_back(std::move(attribute));
  }
}

Tracer::Tracer(double sample_ratio, const base::Clock* clock, SpanSink sink)
    : sample_ratio_(sample_ratio), clock_(clock), sink_(std::move(sink)) {
  COOPER_CHECK(sample_ratio >= 0 && sample_ratio <= 1);
}

std::shared_ptr<CallTrace> Tracer::Begin(absl::string_view traceparent,
                                         absl::string_view method) const {
  Span call;
  if (auto caller = ParseTraceparent(traceparent)) {
    if (!caller->sampled) return nullptr;
    call.trace_id = std::move(caller->trace_id);
    call.parent_id = std::move(caller->parent_id);
  } else {
    call.trace_id = base::DrawHexId(kTraceIdBytes);
    if (!IsSampled(call.trace_id, sample_ratio_)) return nullptr;
  }
  call.span_id = DrawSpanId();
  call.name = std::string(method);
  call.kind = Span::Kind::kServer;
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(method, absl::MaxSplits('/', 1));
  call.attributes = {{"rpc.system", "grpc"},
                     {"rpc.service", parts.first},
                     {"rpc.method", parts.second}};
  const absl::Time now = clock_->Now();
  return std::make_shared<CallTrace>(std::move(call), now, absl::Now() - now,
                                     sink_);
}

}  // namespace cooper::tracing
