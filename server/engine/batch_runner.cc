#include "server/engine/batch_runner.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "server/engine/core/end_status.h"

namespace cooper::engine {
namespace {

constexpr std::array<BatchKind, 3> kSliced = {
    BatchKind::kPrefill, BatchKind::kDenoise, BatchKind::kVaeDecode};

}  // namespace

absl::Status BatchRunner::Decode(absl::Span<Job* const> jobs) {
  absl::Status status = DecodeOnce(jobs);
  if (!absl::IsResourceExhausted(status)) return status;
  metrics_->RetriedAlone(BatchKind::kDecode);
  for (Job* job : jobs) {
    status = DecodeOnce({job});
    if (absl::IsResourceExhausted(status)) {
      job->execution()->Fail(GpuMemoryStatus());
    } else if (!status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status BatchRunner::DecodeOnce(absl::Span<Job* const> jobs) {
  const absl::Time start = clock_->Now();
  std::vector<model::DecodeItem> items;
  items.reserve(jobs.size());
  for (Job* job : jobs) items.push_back(job->execution()->TakeDecode());
  COOPER_RETURN_IF_ERROR(model_->Decode(absl::MakeSpan(items)));
  const absl::Duration took = clock_->Now() - start;
  metrics_->BatchRun(BatchKind::kDecode, static_cast<int>(jobs.size()), took);
  metrics_->PhaseRun(Phase::kDecode, took);
  costs_->Observe(BatchKind::kDecode, static_cast<int64_t>(jobs.size()), took,
                  clock_->Now());
  for (size_t i = 0; i < jobs.size(); ++i) {
    jobs[i]->OnBatch(Phase::kDecode, start, took,
                     took / static_cast<int64_t>(jobs.size()));
    jobs[i]->execution()->OnDecoded(items[i]);
  }
  return absl::OkStatus();
}

absl::Status BatchRunner::Begin(BatchKind kind, absl::Span<Job* const> jobs,
                                int64_t max_rows, std::vector<Job*>* done) {
  switch (kind) {
    case BatchKind::kPrefill:
      return BeginPrefill(jobs, max_rows, done);
    case BatchKind::kDenoise:
      return BeginDenoise(jobs, done);
    default:
      COOPER_CHECK(jobs.size() == 1);
      return BeginVaeDecode(jobs.front(), done);
  }
}

absl::Status BatchRunner::BeginPrefill(absl::Span<Job* const> jobs,
                                       int64_t max_rows,
                                       std::vector<Job*>* done) {
  prefill_items_.clear();
  for (Job* job : jobs) {
    const size_t first = prefill_items_.size();
    const int64_t rows =
        job->execution()->TakePrefills(max_rows, &prefill_items_);
    const size_t items = prefill_items_.size() - first;
    if (items == 0) {
      job->execution()->OnPrefilled({});
      done->push_back(job);
      continue;
    }
    prefill_.members.push_back({job, rows, first, items});
    prefill_.rows += rows;
  }
  if (prefill_items_.empty()) return absl::OkStatus();
  return BeginStep(BatchKind::kPrefill, done);
}

absl::Status BatchRunner::StartDenoise(Job* job) {
  absl::Status status = job->execution()->StartDenoise();
  if (!absl::IsResourceExhausted(status)) return status;
  metrics_->RetriedAlone(BatchKind::kDenoise);
  status = job->execution()->StartDenoise();
  if (!absl::IsResourceExhausted(status)) return status;
  job->execution()->Fail(GpuMemoryStatus());
  return absl::OkStatus();
}

absl::Status BatchRunner::BeginDenoise(absl::Span<Job* const> jobs,
                                       std::vector<Job*>* done) {
  for (Job* job : jobs) {
    denoise_.members.push_back({job, job->execution()->denoise_rows()});
    denoise_.rows += denoise_.members.back().rows;
  }
  return BeginStep(BatchKind::kDenoise, done);
}

absl::Status BatchRunner::BeginVaeDecode(Job* job, std::vector<Job*>* done) {
  vae_decode_item_ = job->execution()->TakeVaeDecode();
  vae_decode_.members.push_back({job, 1});
  vae_decode_.rows = 1;
  return BeginStep(BatchKind::kVaeDecode, done);
}

absl::Status BatchRunner::BeginStep(BatchKind kind, std::vector<Job*>* done) {
  absl::Status status = MakeStep(kind);
  if (!absl::IsResourceExhausted(status)) return status;
  OutOfMemory(kind, done);
  return absl::OkStatus();
}

absl::Status BatchRunner::MakeStep(BatchKind kind) {
  switch (kind) {
    case BatchKind::kPrefill: {
      // All items, or those of the one member that goes alone.
      auto items = absl::MakeSpan(prefill_items_);
      if (prefill_.members.size() == 1) {
        const Member& member = prefill_.members.front();
        items = items.subspan(member.first_item, member.items);
      }
      COOPER_ASSIGN_OR_RETURN(prefill_step_, model_->BeginPrefill(items));
      break;
    }
    case BatchKind::kDenoise: {
      std::vector<model::Denoiser*> denoisers;
      denoisers.reserve(denoise_.members.size());
      for (const Member& member : denoise_.members) {
        denoisers.push_back(member.job->execution()->denoiser());
      }
      COOPER_ASSIGN_OR_RETURN(denoise_step_,
                              model_->BeginDenoiseStep(denoisers));
      break;
    }
    default:
      COOPER_ASSIGN_OR_RETURN(
          vae_decode_step_,
          model_->BeginVaeDecode(absl::MakeSpan(&vae_decode_item_, 1)));
  }
  return absl::OkStatus();
}

// Contexts and denoisers are as they were: the members can be run again.
void BatchRunner::OutOfMemory(BatchKind kind, std::vector<Job*>* done) {
  Sliced& batch = Of(kind);
  ResetStep(kind);
  if (!batch.retried) {
    metrics_->RetriedAlone(kind);
    batch.retried = true;
    batch.alone.assign(batch.members.begin(), batch.members.end());
  } else {
    Job* job = batch.members.front().job;
    job->execution()->Fail(GpuMemoryStatus());
    done->push_back(job);
  }
  EndMembers(kind);
}

absl::Status BatchRunner::BeginNextAlone(BatchKind kind,
                                         std::vector<Job*>* done) {
  Sliced& batch = Of(kind);
  batch.members = {batch.alone.front()};
  batch.alone.pop_front();
  batch.rows = batch.members.front().rows;
  if (kind == BatchKind::kPrefill) {
    batch.members.front().job->execution()->RetryPrefill();
  }
  return BeginStep(kind, done);
}

absl::Status BatchRunner::RunSlice(BatchKind kind, absl::Duration budget,
                                   std::vector<Job*>* done) {
  Sliced& batch = Of(kind);
  if (StepOf(kind) == nullptr && !batch.alone.empty()) {
    COOPER_RETURN_IF_ERROR(BeginNextAlone(kind, done));
  }
  model::Step* const step = StepOf(kind);
  if (step == nullptr) return absl::OkStatus();
  const absl::Time start = clock_->Now();
  const absl::StatusOr<bool> complete = step->RunSlice(budget);
  const absl::Duration took = clock_->Now() - start;
  batch.took += took;
  for (const Member& member : batch.members) {
    member.job->OnBatch(PhaseOf(kind), start, took,
                        took * member.rows / batch.rows);
  }
  if (absl::IsResourceExhausted(complete.status())) {
    OutOfMemory(kind, done);
    return absl::OkStatus();
  }
  COOPER_RETURN_IF_ERROR(complete.status());
  if (!*complete) return absl::OkStatus();
  switch (kind) {
    case BatchKind::kPrefill:
      EndPrefill();
      break;
    case BatchKind::kDenoise:
      EndDenoise();
      break;
    default:
      EndVaeDecode();
  }
  for (const Member& member : batch.members) done->push_back(member.job);
  EndMembers(kind);
  return absl::OkStatus();
}

void BatchRunner::EndPrefill() {
  CountPrefill(prefill_.took);
  costs_->Observe(BatchKind::kPrefill, prefill_.rows, prefill_.took,
                  clock_->Now());
  for (const Member& member : prefill_.members) {
    member.job->execution()->OnPrefilled(
        absl::MakeConstSpan(prefill_items_)
            .subspan(member.first_item, member.items));
  }
}

void BatchRunner::EndDenoise() {
  const int denoisers = static_cast<int>(denoise_.members.size());
  metrics_->BatchRun(BatchKind::kDenoise, denoisers, denoise_.took);
  metrics_->PhaseRun(Phase::kDenoise, denoise_.took);
  metrics_->DenoiseSteps(denoisers, denoise_.took);
  costs_->Observe(BatchKind::kDenoise, denoise_.rows, denoise_.took,
                  clock_->Now());
  denoise_step_.reset();  // before a denoiser is: it may be done
  for (const Member& member : denoise_.members) {
    member.job->execution()->OnDenoiseStep();
  }
}

void BatchRunner::EndVaeDecode() {
  metrics_->BatchRun(BatchKind::kVaeDecode, 1, vae_decode_.took);
  metrics_->PhaseRun(Phase::kVaeDecode, vae_decode_.took);
  costs_->Observe(BatchKind::kVaeDecode, 1, vae_decode_.took, clock_->Now());
  vae_decode_step_.reset();
  vae_decode_.members.front().job->execution()->OnVaeDecoded(
      std::move(vae_decode_item_));
}

// The batch's time counts for the phases by the share of their rows.
void BatchRunner::CountPrefill(absl::Duration took) {
  int64_t text = 0;
  int64_t latent = 0;
  int64_t vision = 0;
  int items = 0;
  std::vector<Job*> encoded;  // jobs with latents in the batch
  for (const Member& member : prefill_.members) {
    items += static_cast<int>(member.items);
    const int64_t latent_before = latent;
    for (const model::PrefillItem& item :
         absl::MakeConstSpan(prefill_items_)
             .subspan(member.first_item, member.items)) {
      const model::Segment& segment = *item.segment;
      int64_t& kind =
          std::holds_alternative<model::TextSegment>(segment)          ? text
          : std::holds_alternative<model::LatentImageSegment>(segment) ? latent
                                                                       : vision;
      kind += model::SegmentRows(model_->info(), segment);
    }
    if (latent > latent_before) encoded.push_back(member.job);
  }
  const auto rows = static_cast<double>(text + latent + vision);
  const auto count = [&](Phase phase, int64_t share) {
    if (share == 0) return;
    metrics_->PhaseRun(phase, took * (static_cast<double>(share) / rows));
  };
  count(Phase::kPrefill, text);
  count(Phase::kVaeEncode, latent);
  count(Phase::kVit, vision);
  for (Job* job : encoded) {
    job->OnVaeEncoded(took * (static_cast<double>(latent) / rows));
  }
  metrics_->BatchRun(BatchKind::kPrefill, items, took);
}

BatchRunner::Sliced& BatchRunner::Of(BatchKind kind) {
  switch (kind) {
    case BatchKind::kPrefill:
      return prefill_;
    case BatchKind::kDenoise:
      return denoise_;
    default:
      COOPER_CHECK(kind == BatchKind::kVaeDecode);
      return vae_decode_;
  }
}

model::Step* BatchRunner::StepOf(BatchKind kind) const {
  switch (kind) {
    case BatchKind::kPrefill:
      return prefill_step_.get();
    case BatchKind::kDenoise:
      return denoise_step_.get();
    default:
      return vae_decode_step_.get();
  }
}

void BatchRunner::ResetStep(BatchKind kind) {
  switch (kind) {
    case BatchKind::kPrefill:
      prefill_step_.reset();
      break;
    case BatchKind::kDenoise:
      denoise_step_.reset();
      break;
    default:
      vae_decode_step_.reset();
  }
}

void BatchRunner::EndMembers(BatchKind kind) {
  Sliced& batch = Of(kind);
  if (batch.alone.empty()) return Forget(kind);
  ResetStep(kind);
  batch.members.clear();
  batch.rows = 0;
  batch.took = absl::ZeroDuration();
}

void BatchRunner::Forget(BatchKind kind) {
  ResetStep(kind);
  if (kind == BatchKind::kPrefill) prefill_items_.clear();
  Of(kind) = {};
}

std::vector<BatchKind> BatchRunner::under_way() {
  std::vector<BatchKind> kinds;
  for (const BatchKind kind : kSliced) {
    if (StepOf(kind) != nullptr || !Of(kind).alone.empty()) {
      kinds.push_back(kind);
    }
  }
  return kinds;
}

bool BatchRunner::Holds(const Job* job) const {
  const auto in = [job](const Sliced& batch) {
    const auto is_it = [job](const Member& m) { return m.job == job; };
    return std::any_of(batch.members.begin(), batch.members.end(), is_it) ||
           std::any_of(batch.alone.begin(), batch.alone.end(), is_it);
  };
  return in(prefill_) || in(denoise_) || in(vae_decode_);
}

void BatchRunner::Drop(Job* job) {
  const auto is_it = [job](const Member& m) { return m.job == job; };
  for (const BatchKind kind : kSliced) {
    std::vector<Member>& members = Of(kind).members;
    std::deque<Member>& alone = Of(kind).alone;
    const auto waits = std::find_if(alone.begin(), alone.end(), is_it);
    if (waits != alone.end()) {
      alone.erase(waits);
      if (members.empty()) EndMembers(kind);
      continue;
    }
    const auto member = std::find_if(members.begin(), members.end(), is_it);
    if (member == members.end()) continue;
    if (members.size() == 1) {
      EndMembers(kind);
    } else {
      DropFrom(kind, *member);
      members.erase(member);
    }
  }
}

// Others stay.
void BatchRunner::DropFrom(BatchKind kind, const Member& member) {
  if (kind == BatchKind::kDenoise) {
    denoise_step_->Drop(member.job->execution()->denoiser());
    return;
  }
  COOPER_CHECK(kind == BatchKind::kPrefill);
  std::set<const model::Context*> contexts;
  for (size_t i = 0; i < member.items; ++i) {
    contexts.insert(prefill_items_[member.first_item + i].context);
  }
  for (const model::Context* context : contexts) prefill_step_->Drop(context);
}

void BatchRunner::Abandon() {
  for (const BatchKind kind : kSliced) Forget(kind);
}

}  // namespace cooper::engine
