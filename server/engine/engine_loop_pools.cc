// The part of EngineLoop that has the prepare pool do something: a task there,
// and what the engine thread does with its result.

#include <exception>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/engine/core/end_status.h"
#include "server/engine/engine_loop.h"

namespace cooper::engine {
namespace {

// Runs a task of a pool; what it throws becomes a status.
template <typename Function>
auto Guarded(Function function) -> decltype(function()) {
  try {
    return function();
  } catch (const std::exception& e) {
    return ErrorStatus(ErrorReason::kEngine, e.what());
  }
}

}  // namespace

void EngineLoop::Prepare(Job* job) {
  job->state = Job::State::kPreparing;
  ++preparing_;
  prepare_pool_->Post([this, job = job->shared_from_this()] {
    const absl::Time start = clock_->Now();
    auto prepared = std::make_shared<absl::StatusOr<PreparedRequest>>(
        Guarded([&]() -> absl::StatusOr<PreparedRequest> {
          if (job->request.cancel->cancelled()) {
            return StatusOf(job->request.cancel->cause());
          }
          return preparer_.Prepare(&job->request);
        }));
    job->request.inputs.clear();
    const absl::Time end = clock_->Now();
    job->codec_ns += absl::ToInt64Nanoseconds(end - start);
    job->trace.Add("prepare", start, end);
    admission_->FreeBytes(job->input_bytes);
    inbox_.Post([this, job, prepared] {
      --preparing_;
      if (job->state != Job::State::kPreparing) return;  // ended meanwhile
      if (!prepared->ok()) return End(job.get(), prepared->status());
      job->prepared = std::move(*prepared).value();
      job->images = job->prepared->images;
      job->state = Job::State::kReady;
      ++preparing_;
      const absl::Status fits = CheckSize(*job);
      if (!fits.ok()) End(job.get(), fits);
    });
  });
}

absl::Status EngineLoop::CheckSize(const Job& job) const {
  int64_t tokens = TokensOf(job);
  int64_t positions = job.prepared->least_positions;
  if (job.session_claimed) {
    tokens += sessions_.HeldBy(job.request.session->id);
    positions += sessions_.PositionOf(job.request.session->id);
  }
  const int64_t most = model_->info().max_positions;
  if (most > 0 && positions > most) {
    ErrorDetails details;
    details.reason = ErrorReason::kTooManyPositions;
    details.field = "inputs";
    return MakeError(
        details,
        absl::StrCat(
            "inputs: with the prompts around them and what the session "
            "holds they take ",
            positions, " positions; the model has ", most,
            " (max_position_embeddings)"));
  }
  if (tokens > ledger_.capacity()) {
    return ErrorStatus(ErrorReason::kContextTooLarge,
                       absl::StrCat("the request may need ", tokens,
                                    " tokens of context; the server has ",
                                    ledger_.capacity()));
  }
  return absl::OkStatus();
}

void EngineLoop::Render(Job* job) {
  prepare_pool_->Post([this, job = job->shared_from_this(),
                       render = job->execution->TakeRender()] {
    const absl::Time start = clock_->Now();
    auto map =
        std::make_shared<absl::StatusOr<std::shared_ptr<const DrawnMap>>>(
            Guarded([&]() -> absl::StatusOr<std::shared_ptr<const DrawnMap>> {
              return render();
            }));
    const absl::Time end = clock_->Now();
    job->codec_ns += absl::ToInt64Nanoseconds(end - start);
    job->trace.Add("render", start, end);
    inbox_.Post([this, job, map] {
      if (job->state != Job::State::kRunning) return;  // ended meanwhile
      if (!map->ok()) return End(job.get(), map->status());
      job->waiting_since = clock_->Now();
      job->execution->OnRendered(**map);
      task_status_.Update(Settle(job.get()));
    });
  });
}

}  // namespace cooper::engine
