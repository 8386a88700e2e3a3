#ifndef COOPER_SERVER_ENGINE_READY_JOBS_H_
#define COOPER_SERVER_ENGINE_READY_JOBS_H_

#include <cstdint>
#include <vector>

#include "server/engine/batch_runner.h"
#include "server/engine/job.h"
#include "server/engine/schedule/scheduler.h"

namespace cooper::engine {

// The jobs that wait for a batch, and what each waits for: `items[i].request`
// is i, of `jobs`.
struct ReadyJobs {
  std::vector<ReadyItem> items;
  std::vector<Job*> jobs;
};

// Those of `jobs` that run and that `runner` does not hold. `max_part`: rows
// (tokens) of the parts in which long texts are prefilled (Starter). Where
// several are long they share it, so that they hold up others no longer
// together than one alone.
ReadyJobs ReadyJobsOf(const JobList& jobs, const BatchRunner& runner,
                      int64_t max_part);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_READY_JOBS_H_
