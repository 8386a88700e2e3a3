#include "server/engine/waiting_jobs.h"

#include <optional>
#include <string>
#include <vector>

#include "server/engine/core/end_status.h"

namespace cooper::engine {

void WaitingJobs::EndCancelled(absl::Time now) {
  for (const auto& job : *jobs_) {
    if (job->state() == Job::State::kEnded) continue;
    const CancelCause cause = job->request().cancel->cause();
    if (cause != CancelCause::kNone) {
      end_(job.get(), StatusOf(cause));
      metrics_->CancelLatency(clock_->Now() - now);
    } else if (job->request().deadline <= now) {
      end_(job.get(), LateStatus());
    }
  }
}

void WaitingJobs::RefuseLate(absl::Time now) {
  for (const auto& job : *jobs_) {
    if (!job->queued()) continue;
    const absl::Status late = starter_->CheckLate(job->waiting(), now);
    if (!late.ok()) end_(job.get(), late);
  }
}

void WaitingJobs::EndEvicted(absl::Time now) {
  for (const std::string& client : admission_->TakeEvictions()) {
    for (auto job = jobs_->rbegin(); job != jobs_->rend(); ++job) {
      if (!(*job)->queued() || (*job)->request().client != client) continue;
      end_(job->get(), admission_->LostPlace((*job)->line_entry(), now));
      break;
    }
  }
}

Job* WaitingJobs::Next(Job::State state, absl::Time now) {
  while (Job* job = First(state, now)) {
    const absl::Status in_time =
        admission_->CheckStart(job->line_entry(), job->request().deadline, now);
    if (in_time.ok()) return job;
    end_(job, in_time);
  }
  return nullptr;
}

Job* WaitingJobs::First(Job::State state, absl::Time now) const {
  std::vector<Job*> jobs;
  std::vector<WaitingRequest> waiting;
  for (const auto& job : *jobs_) {
    if (job->state() != state) continue;
    jobs.push_back(job.get());
    waiting.push_back(job->waiting());
  }
  const std::optional<int> next = starter_->Next(waiting, now);
  return next.has_value() ? jobs[*next] : nullptr;
}

}  // namespace cooper::engine
