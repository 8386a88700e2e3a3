#include "base/periodic.h"

#include <pthread.h>

namespace cooper::base {

Periodic::Periodic(const std::string& thread_name, absl::Duration interval,
                   std::function<void()> function) {
  thread_ = std::thread([this, thread_name, interval,
                         function = std::move(function)] {
    pthread_setname_np(pthread_self(), thread_name.c_str());
    MutexLock lock(&mutex_);
    while (!mutex_.AwaitWithTimeout(absl::Condition(&stopping_), interval)) {
      mutex_.Unlock();
      function();
      mutex_.Lock();
    }
  });
}

Periodic::~Periodic() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

}  // namespace cooper::base
