#include "server/engine/ready_jobs.h"

#include <algorithm>
#include <map>

#include "absl/algorithm/container.h"
#include "absl/strings/string_view.h"
#include "server/engine/schedule/starter.h"

namespace cooper::engine {

ReadyJobs ReadyJobsOf(const JobList& jobs, const BatchRunner& runner,
                      int64_t max_part) {
  ReadyJobs ready;
  std::map<absl::string_view, int> clients;
  for (const auto& job : jobs) {
    if (job->state() != Job::State::kRunning || runner.Holds(job.get()) ||
        job->execution()->state() == Execution::State::kRender) {
      continue;
    }
    job->execution()->SetMaxPrefillPart(max_part);
    ReadyItem item = job->ready();
    item.request = static_cast<int>(ready.jobs.size());
    item.client = clients
                      .try_emplace(job->request().client,
                                   static_cast<int>(clients.size()))
                      .first->second;
    ready.items.push_back(item);
    ready.jobs.push_back(job.get());
  }
  const auto long_ones = absl::c_count_if(ready.items, [&](const auto& item) {
    return item.kind == BatchKind::kPrefill && item.rows >= max_part;
  });
  if (long_ones < 2) return ready;
  for (ReadyItem& item : ready.items) {
    Job* const job = ready.jobs[item.request];
    job->execution()->SetMaxPrefillPart(
        std::max(max_part / long_ones, Starter::kMinPrefillPart));
    item.rows = job->ready().rows;
  }
  return ready;
}

}  // namespace cooper::engine
