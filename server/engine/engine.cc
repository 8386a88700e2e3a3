#include "server/engine/engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/engine/core/end_status.h"
#include "server/engine/core/error.h"
#include "server/engine/engine_loop.h"
#include "server/engine/schedule/admission.h"

namespace cooper::engine {
namespace {

absl::Status OutOfRange(const char* field, int64_t value, int64_t low,
                        int64_t high) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": must be in [", low, ", ", high, "], not ", value));
}

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

absl::Status EngineOptions::Validate() const {
  struct Range {
    const char* field;
    int64_t value, low, high;
  };
  const Range ranges[] = {
      {"max_running", max_running, 1, 1024},
      {"max_queue", max_queue, 0, 65536},
      {"max_per_client", max_per_client, 0, 65536},
      {"max_queue_bytes", max_queue_bytes, 1, int64_t{1} << 40},
      {"append_tokens", append_tokens, 1, 1 << 24},
      {"flow_tokens", flow_tokens, 1, 1 << 24},
      {"prepare_threads", prepare_threads, 1, 64},
      {"encode_threads", encode_threads, 1, 64},
  };
  for (const Range& range : ranges) {
    if (range.value < range.low || range.value > range.high) {
      return OutOfRange(range.field, range.value, range.low, range.high);
    }
  }
  if (slice <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("slice: must be positive");
  }
  if (session_ttl < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("session_ttl: must not be negative");
  }
  if (queue_timeout < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("queue_timeout: must not be negative");
  }
  return absl::OkStatus();
}

class Engine::Impl {
 public:
  Impl(model::UnifiedModel* model, metrics::ServerMetrics* metrics,
       const base::Clock* clock, const EngineOptions& options,
       std::unique_ptr<base::WorkerPool> thread)
      : model_(model),
        clock_(clock),
        options_(options),
        admission_({options.max_running + options.max_queue,
                    options.max_queue_bytes, options.max_per_client}),
        loop_(model, metrics, clock, options, &admission_, std::move(thread)) {
    metrics->SetEngineUp(true);
  }

  absl::Status Submit(Request request, std::unique_ptr<EventSink> sink) {
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
    absl::Status admitted = admission_.Admit(
        request.input_bytes(), request.client,
        request.session.has_value() && request.session->follows);
    if (!admitted.ok()) return admitted;
    loop_.Add(std::move(request), std::move(sink));
    return absl::OkStatus();
  }

  void Shutdown(absl::Time deadline) {
    admission_.Drain();
    const absl::Duration left = deadline - clock_->Now();
    if (admission_.WaitUntilIdle(std::max(left, absl::ZeroDuration()))) return;
    loop_.EndAll();
    admission_.WaitUntilIdle(absl::InfiniteDuration());
  }

  const EngineOptions& options() const { return options_; }
  Admission& admission() { return admission_; }
  EngineLoop& loop() { return loop_; }

 private:
  model::UnifiedModel* const model_;
  const base::Clock* const clock_;
  const EngineOptions options_;
  Admission admission_;
  EngineLoop loop_;
};

Engine::Engine(model::UnifiedModel* model, metrics::ServerMetrics* metrics,
               const base::Clock* clock, EngineOptions options,
               std::unique_ptr<base::WorkerPool> thread)
    : impl_(std::make_unique<Impl>(model, metrics, clock, options,
                                   std::move(thread))) {}

Engine::~Engine() { impl_->Shutdown(absl::InfinitePast()); }

absl::Status Engine::Submit(Request request, std::unique_ptr<EventSink> sink) {
  return impl_->Submit(std::move(request), std::move(sink));
}

void Engine::Wake() { impl_->loop().Wake(); }

void Engine::BeginDrain() { impl_->admission().Drain(); }

void Engine::Shutdown(absl::Time deadline) { impl_->Shutdown(deadline); }

Engine::Load Engine::load() const { return impl_->loop().load(); }

bool Engine::draining() const { return impl_->admission().draining(); }

const EngineOptions& Engine::options() const { return impl_->options(); }

bool Engine::healthy() const { return !impl_->admission().failed(); }

absl::Time Engine::last_step() const { return impl_->loop().last_step(); }

}  // namespace cooper::engine
