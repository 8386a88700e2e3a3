#include "server/engine/job_trace.h"

#include <utility>

namespace cooper::engine {

JobTrace::JobTrace(std::shared_ptr<tracing::CallTrace> trace)
    : trace_(std::move(trace)),
      span_id_(trace_ == nullptr ? "" : tracing::DrawSpanId()) {}

void JobTrace::Add(absl::string_view name, absl::Time start,
                   absl::Time end) const {
  if (trace_ == nullptr) return;
  tracing::CallTrace::Work work;
  work.name = std::string(name);
  work.start = start;
  work.end = end;
  work.parent_id = span_id_;
  trace_->Add(std::move(work));
}

void JobTrace::AddBatch(Phase phase, absl::Time start, absl::Time end,
                        absl::Duration share) {
  if (trace_ == nullptr) return;
  if (!stretch_.has_value() || stretch_->phase != phase) {
    CloseStretch();
    stretch_ = Stretch{.phase = phase, .start = start};
  }
  stretch_->end = end;
  stretch_->device_time += share;
  ++stretch_->batches;
}

void JobTrace::CloseStretch() {
  if (!stretch_.has_value()) return;
  tracing::CallTrace::Work work;
  work.name = PhaseName(stretch_->phase);
  work.start = stretch_->start;
  work.end = stretch_->end;
  work.parent_id = span_id_;
  work.attributes = {
      {"cooper.batches", stretch_->batches},
      {"cooper.device_time_s", absl::ToDoubleSeconds(stretch_->device_time)}};
  trace_->Add(std::move(work));
  stretch_.reset();
}

void JobTrace::End(absl::Time start, absl::Time end, const absl::Status& status,
                   std::vector<tracing::Attribute> attributes) {
  if (trace_ == nullptr) return;
  CloseStretch();
  tracing::CallTrace::Work work;
  work.name = "request";
  work.start = start;
  work.end = end;
  work.span_id = span_id_;
  work.attributes = std::move(attributes);
  work.failed = !status.ok();
  work.message = std::string(status.message());
  trace_->Add(std::move(work));
}

}  // namespace cooper::engine
