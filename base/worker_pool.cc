#include "base/worker_pool.h"

#include <pthread.h>

#include <utility>

namespace cooper::base {

WorkerPool::WorkerPool(const std::string& name, int threads) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Run(); });
    pthread_setname_np(threads_.back().native_handle(),
                       name.substr(0, 15).c_str());
  }
}

WorkerPool::~WorkerPool() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::Post(Job job, ErrorHandler on_error) {
  MutexLock lock(&mutex_);
  tasks_.push_back({std::move(job), std::move(on_error)});
}

void WorkerPool::Run() {
  const auto has_work = [this] {
    mutex_.AssertHeld();
    return stopping_ || !tasks_.empty();
  };
  while (true) {
    Task task;
    {
      MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&has_work));
      if (tasks_.empty()) return;  // stopping
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    RunTask(task);
  }
}

void WorkerPool::RunTask(const Task& task) {
  if (task.on_error == nullptr) return task.job();
  try {
    task.job();
  } catch (const std::exception& exception) {
    task.on_error(exception);
  }
}

}  // namespace cooper::base
