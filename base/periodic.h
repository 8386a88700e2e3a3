#ifndef COOPER_BASE_PERIODIC_H_
#define COOPER_BASE_PERIODIC_H_

#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace cooper::base {

// Calls a function every `interval` on a named thread of its own, until
// destroyed; the destructor waits for a call under way. Thread-safe.
class Periodic {
 public:
  Periodic(const std::string& thread_name, absl::Duration interval,
           std::function<void()> function);
  ~Periodic() ABSL_LOCKS_EXCLUDED(mutex_);
  Periodic(const Periodic&) = delete;
  Periodic& operator=(const Periodic&) = delete;

 private:
  Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace cooper::base

#endif  // COOPER_BASE_PERIODIC_H_
