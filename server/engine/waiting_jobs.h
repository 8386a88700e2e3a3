#ifndef COOPER_SERVER_ENGINE_WAITING_JOBS_H_
#define COOPER_SERVER_ENGINE_WAITING_JOBS_H_

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "server/engine/job.h"
#include "server/engine/schedule/admission.h"
#include "server/engine/schedule/starter.h"
#include "server/metrics/server_metrics.h"

namespace cooper::engine {

// Which job starts next, and which jobs are not to start (or go on) any more.
// Belongs to the engine thread.
class WaitingJobs {
 public:
  // Ends a job of the list with this status, without removing it from the list.
  using End = std::function<void(Job*, const absl::Status&)>;

  // All outlive it.
  WaitingJobs(const JobList* jobs, const Starter* starter, Admission* admission,
              metrics::ServerMetrics* metrics, const base::Clock* clock,
              End end)
      : jobs_(jobs),
        starter_(starter),
        admission_(admission),
        metrics_(metrics),
        clock_(clock),
        end_(std::move(end)) {}

  // Jobs that were cancelled, or whose deadline passed, whether they run or
  // not.
  void EndCancelled(absl::Time now);
  // Jobs that waited for too long, or cannot be done by their deadline.
  void RefuseLate(absl::Time now);
  // Jobs whose queue slot admission gave to another client.
  void EndEvicted(absl::Time now);
  // The next of the jobs in `state`; null: there is none. Ends those whose turn
  // it is and that are not likely to be done in time.
  Job* Next(Job::State state, absl::Time now);

 private:
  Job* First(Job::State state, absl::Time now) const;

  const JobList* const jobs_;
  const Starter* const starter_;
  Admission* const admission_;
  metrics::ServerMetrics* const metrics_;
  const base::Clock* const clock_;
  const End end_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_WAITING_JOBS_H_
