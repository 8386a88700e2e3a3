#ifndef COOPER_SERVER_ENGINE_PREPARE_POOL_H_
#define COOPER_SERVER_ENGINE_PREPARE_POOL_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "base/worker_pool.h"
#include "server/engine/execution/drawn_map.h"
#include "server/engine/execution/preparer.h"
#include "server/engine/inbox.h"
#include "server/engine/job.h"
#include "server/engine/schedule/admission.h"

namespace cooper::engine {

// The threads that decode and resize images, encode texts and render maps, so
// that the engine thread does not. Results come back through the inbox: each
// `done` runs once, on the engine thread. What a task throws is INTERNAL.
//
// Belongs to the engine thread. The destructor runs all tasks, then joins; the
// inbox still gets their results.
class PreparePool {
 public:
  // All but `preparer` outlive it.
  PreparePool(const Preparer& preparer, const base::Clock* clock,
              Admission* admission, Inbox* inbox, int threads)
      : preparer_(preparer),
        clock_(clock),
        admission_(admission),
        inbox_(inbox),
        pool_("prepare", threads) {}

  // Prepares a job's request (Job::Prepare), whose inputs are freed.
  void Prepare(Job* job,
               std::function<void(absl::StatusOr<PreparedRequest>)> done);
  // Renders the map of a job whose execution is at kRender.
  void Render(
      Job* job,
      std::function<void(absl::StatusOr<std::shared_ptr<const DrawnMap>>)>
          done);
  // Requests that are being prepared, those of jobs that ended too.
  int preparing() const { return preparing_; }

 private:
  void Post(Job* job, absl::string_view span,
            std::function<absl::Status()> work,
            std::function<void(const absl::Status&)> done);

  const Preparer preparer_;
  const base::Clock* const clock_;
  Admission* const admission_;
  Inbox* const inbox_;
  int preparing_ = 0;
  base::WorkerPool pool_;  // last, so that it ends first
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_PREPARE_POOL_H_
