#ifndef COOPER_BASE_WORKER_POOL_H_
#define COOPER_BASE_WORKER_POOL_H_

#include <deque>
#include <exception>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace cooper::base {

// A fixed number of named threads over one first-in-first-out queue.
//
// Thread-safe. `Post` never blocks; the queue is bounded by its users (the
// engine posts at most a few jobs per admitted request). An exception of a job
// goes to its handler; without one it ends the process. The destructor runs
// every queued job, then joins.
class WorkerPool {
 public:
  using Job = std::function<void()>;
  // Runs on the job's thread, in place of the rest of the job. Must not throw.
  using ErrorHandler = std::function<void(const std::exception&)>;

  // `name` is the threads' name (at most 15 bytes are shown by the system).
  WorkerPool(const std::string& name, int threads);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void Post(Job job, ErrorHandler on_error = nullptr)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Task {
    Job job;
    ErrorHandler on_error;
  };
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  static void RunTask(const Task& task);

  Mutex mutex_;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;  // constant after construction
};

}  // namespace cooper::base

#endif  // COOPER_BASE_WORKER_POOL_H_
