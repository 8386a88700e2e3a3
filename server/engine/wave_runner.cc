#include "server/engine/wave_runner.h"

#include <algorithm>
#include <utility>

#include "server/base/status_macros.h"

namespace cooper::engine {

absl::Status WaveRunner::Decode(absl::Span<Job* const> jobs) {
  const absl::Time start = clock_->Now();
  std::vector<model::DecodeItem> items;
  items.reserve(jobs.size());
  for (Job* job : jobs) items.push_back(job->execution->TakeDecode());
  COOPER_RETURN_IF_ERROR(model_->Decode(absl::MakeSpan(items)));
  const absl::Duration took = clock_->Now() - start;
  metrics_->WaveRun(metrics::Wave::kDecode, static_cast<int>(jobs.size()),
                    took);
  metrics_->PhaseRun(metrics::Phase::kDecode, took);
  costs_->Observe(CostEstimator::Wave::kDecode,
                  static_cast<int64_t>(jobs.size()), took, clock_->Now());
  for (size_t i = 0; i < jobs.size(); ++i) {
    jobs[i]->OnWave(metrics::Phase::kDecode, start, took,
                    took / static_cast<int64_t>(jobs.size()));
    jobs[i]->execution->OnDecoded(items[i]);
  }
  return absl::OkStatus();
}

absl::Status WaveRunner::Append(absl::Span<Job* const> jobs, int64_t max_rows) {
  const absl::Time start = clock_->Now();
  std::vector<model::AppendItem> items;
  std::vector<size_t> ends;  // of each job's items
  std::vector<int64_t> rows;
  int64_t all_rows = 0;
  for (Job* job : jobs) {
    rows.push_back(job->execution->TakeAppends(max_rows, &items));
    all_rows += rows.back();
    ends.push_back(items.size());
  }
  absl::Duration took;
  if (!items.empty()) {  // else: everything was in the prefix cache
    COOPER_RETURN_IF_ERROR(model_->Append(absl::MakeSpan(items)));
    took = clock_->Now() - start;
    CountAppend(items, took);
    costs_->Observe(CostEstimator::Wave::kAppend, all_rows, took,
                    clock_->Now());
  }
  size_t begin = 0;
  for (size_t i = 0; i < jobs.size(); ++i) {
    if (took > absl::ZeroDuration()) {
      jobs[i]->OnWave(metrics::Phase::kPrefill, start, took,
                      took * rows[i] / all_rows);
    }
    jobs[i]->execution->OnAppended(
        absl::MakeConstSpan(items).subspan(begin, ends[i] - begin));
    begin = ends[i];
  }
  return absl::OkStatus();
}

// The wave's time counts for the phases by the share of their rows.
void WaveRunner::CountAppend(absl::Span<const model::AppendItem> items,
                             absl::Duration took) {
  const model::ModelInfo& info = model_->info();
  const auto tiles = [](image::Size size, int side) {
    return int64_t{size.width / side} * (size.height / side);
  };
  int64_t text = 0;
  int64_t latent = 0;
  int64_t vision = 0;
  for (const model::AppendItem& item : items) {
    if (const auto* t = std::get_if<model::TextSegment>(item.segment)) {
      text += static_cast<int64_t>(t->ids.size());
    } else if (const auto* l =
                   std::get_if<model::LatentImageSegment>(item.segment)) {
      latent += tiles(l->image->size, info.latent_stride);
    } else {
      vision +=
          tiles(std::get<model::VisionImageSegment>(*item.segment).image->size,
                info.vit_patch);
    }
  }
  const auto rows = static_cast<double>(text + latent + vision);
  const auto count = [&](metrics::Phase phase, int64_t share) {
    if (share == 0) return;
    metrics_->PhaseRun(phase, took * (static_cast<double>(share) / rows));
  };
  count(metrics::Phase::kPrefill, text);
  count(metrics::Phase::kVaeEncode, latent);
  count(metrics::Phase::kVit, vision);
  metrics_->WaveRun(metrics::Wave::kAppend, static_cast<int>(items.size()),
                    took);
}

absl::Status WaveRunner::DecodeLatents(absl::Span<Job* const> jobs) {
  const absl::Time start = clock_->Now();
  std::vector<model::DecodeLatentsItem> items;
  for (Job* job : jobs) items.push_back(job->execution->TakeLatents());
  COOPER_RETURN_IF_ERROR(model_->DecodeLatents(absl::MakeSpan(items)));
  const absl::Duration took = clock_->Now() - start;
  metrics_->WaveRun(metrics::Wave::kDecodeLatents,
                    static_cast<int>(jobs.size()), took);
  metrics_->PhaseRun(metrics::Phase::kVaeDecode, took);
  costs_->Observe(CostEstimator::Wave::kLatents,
                  static_cast<int64_t>(jobs.size()), took, clock_->Now());
  for (size_t i = 0; i < jobs.size(); ++i) {
    jobs[i]->OnWave(metrics::Phase::kVaeDecode, start, took,
                    took / static_cast<int64_t>(jobs.size()));
    jobs[i]->execution->OnLatents(std::move(items[i]));
  }
  return absl::OkStatus();
}

absl::Status WaveRunner::BeginFlowStep(absl::Span<Job* const> jobs) {
  std::vector<model::Flow*> flows;
  std::vector<Member> members;
  step_rows_ = 0;
  for (Job* job : jobs) {
    flows.push_back(job->execution->flow());
    members.push_back({job, job->execution->flow_rows()});
    step_rows_ += members.back().rows;
  }
  COOPER_ASSIGN_OR_RETURN(step_, model_->BeginFlowStep(flows));
  members_ = std::move(members);
  step_took_ = absl::ZeroDuration();
  return absl::OkStatus();
}

absl::Status WaveRunner::RunFlowSlice(absl::Duration budget,
                                      std::vector<Job*>* done) {
  const absl::Time start = clock_->Now();
  COOPER_ASSIGN_OR_RETURN(const bool complete, step_->RunSlice(budget));
  const absl::Duration took = clock_->Now() - start;
  step_took_ += took;
  for (const Member& member : members_) {
    member.job->OnWave(metrics::Phase::kDiffusion, start, took,
                       took * member.rows / step_rows_);
  }
  if (!complete) return absl::OkStatus();
  const int flows = static_cast<int>(members_.size());
  metrics_->WaveRun(metrics::Wave::kFlow, flows, step_took_);
  metrics_->PhaseRun(metrics::Phase::kDiffusion, step_took_);
  metrics_->FlowSteps(flows, step_took_);
  costs_->Observe(CostEstimator::Wave::kFlowStep, step_rows_, step_took_,
                  clock_->Now());
  step_.reset();
  for (const Member& member : std::exchange(members_, {})) {
    done->push_back(member.job);
    member.job->execution->OnFlowStep();
  }
  return absl::OkStatus();
}

bool WaveRunner::InFlowStep(const Job* job) const {
  return std::any_of(members_.begin(), members_.end(),
                     [job](const Member& member) { return member.job == job; });
}

void WaveRunner::DropFlow(Job* job) {
  if (!InFlowStep(job)) return;
  step_->Drop(job->execution->flow());
  std::erase_if(members_,
                [job](const Member& member) { return member.job == job; });
  if (members_.empty()) step_.reset();
}

void WaveRunner::AbandonFlowStep() {
  step_.reset();
  members_.clear();
}

}  // namespace cooper::engine
