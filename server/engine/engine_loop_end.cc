// The part of EngineLoop that ends requests before they are done.

#include <memory>
#include <utility>

#include "base/logging.h"
#include "server/engine/core/end_status.h"
#include "server/engine/engine_loop.h"

namespace cooper::engine {

void EngineLoop::EndCancelled(absl::Time now) {
  for (const std::shared_ptr<Job>& job : jobs_) {
    if (job->state == Job::State::kEnded) continue;
    const CancelCause cause = job->request.cancel->cause();
    if (cause != CancelCause::kNone) {
      End(job.get(), StatusOf(cause));
      metrics_->CancelLatency(clock_->Now() - now);
    } else if (job->request.deadline <= now) {
      End(job.get(), LateStatus());
    }
  }
}

// Contexts and the place among the running are given back at once; the sink is
// told as soon as nobody else is telling it something.
void EngineLoop::End(Job* job, const absl::Status& status) {
  if (job->state == Job::State::kEnded) return;
  const Phase phase = job->phase();
  switch (job->state) {
    case Job::State::kWaiting:
      admission_->FreeBytes(job->input_bytes);
      job->request.inputs.clear();
      break;
    case Job::State::kReady:
      job->prepared.reset();
      --preparing_;
      break;
    case Job::State::kRunning: {
      runner_.Drop(job);
      SessionContexts kept = job->execution->TakeKept();
      job->Release();
      LeaveTurn(job, std::move(kept));
      break;
    }
    case Job::State::kPreparing:  // its task counts itself out
    case Job::State::kClosing:
    case Job::State::kEnded:
      break;
  }
  ReleaseSession(job);
  if (job->state != Job::State::kClosing) ++closing_;
  job->state = Job::State::kEnded;
  const absl::Status with_phase = WithPhase(status, phase);
  if (job->events->Abort(with_phase)) {
    job->end = with_phase;
    job->end_phase = phase;
  }
}

void EngineLoop::LeaveRunning(Job* job) {
  ledger_.Release(KvLedger::Holder::kRequests,
                  std::exchange(job->kv_tokens, 0));
  --running_;
}

void EngineLoop::FailAll(const absl::Status& cause) {
  base::Log(base::LogLevel::kError, "engine failed",
            {{"cause", base::Printable(cause.message(), 500)}});
  failure_ = ErrorStatus(ErrorReason::kEngineFailed, "the engine failed",
                         absl::Seconds(1));
  admission_->Fail();
  metrics_->SetEngineUp(false);
  runner_.Abandon();
  for (const std::shared_ptr<Job>& job : jobs_) End(job.get(), failure_);
}

void EngineLoop::Erase(Job* job) {
  job->TellEnd();
  fair_.Close(job->request.client);
  --closing_;
  jobs_.remove_if(
      [job](const std::shared_ptr<Job>& other) { return other.get() == job; });
}

}  // namespace cooper::engine
