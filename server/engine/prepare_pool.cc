#include "server/engine/prepare_pool.h"

#include <exception>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "base/status_macros.h"
#include "server/engine/core/end_status.h"

namespace cooper::engine {

void PreparePool::Prepare(
    Job* job, std::function<void(absl::StatusOr<PreparedRequest>)> done) {
  ++preparing_;
  Request* const request = job->Prepare();
  const auto prepared = std::make_shared<PreparedRequest>();
  Post(
      job, "prepare",
      [this, job, request, prepared]() -> absl::Status {
        const absl::Cleanup free = [&] {
          request->inputs.clear();
          admission_->FreeBytes(job->input_bytes());
        };
        if (request->cancel->cancelled()) {
          return StatusOf(request->cancel->cause());
        }
        COOPER_ASSIGN_OR_RETURN(*prepared, preparer_.Prepare(request));
        return absl::OkStatus();
      },
      [this, prepared, done = std::move(done)](const absl::Status& status) {
        --preparing_;
        if (!status.ok()) return done(status);
        done(std::move(*prepared));
      });
}

void PreparePool::Render(
    Job* job,
    std::function<void(absl::StatusOr<std::shared_ptr<const DrawnMap>>)> done) {
  const auto map = std::make_shared<std::shared_ptr<const DrawnMap>>();
  Post(
      job, "render",
      [map, render = job->execution()->TakeRender()] {
        *map = render();
        return absl::OkStatus();
      },
      [map, done = std::move(done)](const absl::Status& status) {
        if (!status.ok()) return done(status);
        done(std::move(*map));
      });
}

void PreparePool::Post(Job* job, absl::string_view span,
                       std::function<absl::Status()> work,
                       std::function<void(const absl::Status&)> done) {
  // Each of the two keeps the job while it has something to do for it.
  const auto finish = [this, job = job->shared_from_this(),
                       done = std::move(done)](const absl::Status& status) {
    inbox_->Post([job, done, status] { done(status); });
  };
  pool_.Post(
      [this, job, span, work = std::move(work), finish] {
        const absl::Time start = clock_->Now();
        const absl::Status status = work();
        job->OnPoolWork(span, start, clock_->Now());
        finish(status);
      },
      [finish](const std::exception& error) {
        finish(ErrorStatus(ErrorReason::kEngine, error.what()));
      });
}

}  // namespace cooper::engine
