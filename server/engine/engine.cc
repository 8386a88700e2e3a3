#include "server/engine/engine.h"

#include <algorithm>
#include <utility>

#include "server/engine/core/end_status.h"
#include "server/engine/core/error.h"

namespace cooper::engine {
namespace {

// OK if the checkpoint can do `task`.
absl::Status CheckCapability(const Task& task, const model::ModelInfo& info) {
  const auto* reason = std::get_if<ReasonTask>(&task);
  ErrorDetails details;
  details.reason = ErrorReason::kUnsupported;
  if (reason != nullptr && !info.can_reason) {
    return MakeError(details, "the checkpoint cannot reason");
  }
  const bool draws = reason == nullptr || reason->mode != Mode::kTextOnly;
  if (draws && !info.can_generate_maps) {
    return MakeError(details, "the checkpoint cannot draw maps");
  }
  return absl::OkStatus();
}

}  // namespace

Engine::Engine(model::UnifiedModel* model, metrics::ServerMetrics* metrics,
               const base::Clock* clock, EngineOptions options,
               std::unique_ptr<base::WorkerPool> thread)
    : model_(model),
      clock_(clock),
      options_(options),
      admission_({options.max_running + options.max_queue,
                  options.max_queue_bytes, options.max_per_client,
                  options.max_running, options.max_queue_delay}),
      loop_(model, metrics, clock, options, &admission_, std::move(thread)) {}

Engine::~Engine() { Shutdown(absl::InfinitePast()); }

absl::Status Engine::Submit(Request request, std::unique_ptr<EventSink> sink) {
  absl::Status capable = CheckCapability(request.task, model_->info());
  if (!capable.ok()) return capable;
  if (request.session.has_value() &&
      options_.session_ttl <= absl::ZeroDuration()) {
    return ErrorStatus(ErrorReason::kUnsupported,
                       "this server keeps no conversations");
  }
  if (request.deadline <= clock_->Now()) {
    ErrorDetails details;
    details.reason = ErrorReason::kDeadline;
    return MakeError(details, "the deadline has passed");
  }
  const absl::Status admitted = admission_.Admit(
      {LineEntryOf(request), request.input_bytes(), request.deadline,
       request.session.has_value() && request.session->follows},
      clock_->Now());
  if (!admitted.ok()) return admitted;
  loop_.Add(std::move(request), std::move(sink));
  return absl::OkStatus();
}

void Engine::Shutdown(absl::Time deadline) {
  admission_.Drain();
  const absl::Duration left = deadline - clock_->Now();
  if (admission_.WaitUntilIdle(std::max(left, absl::ZeroDuration()))) return;
  loop_.EndAll();
  admission_.WaitUntilIdle(absl::InfiniteDuration());
}

}  // namespace cooper::engine
