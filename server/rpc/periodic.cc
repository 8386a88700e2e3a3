#include "server/rpc/periodic.h"

#include <pthread.h>

namespace cooper::rpc {

Periodic::Periodic(const std::string& thread_name, absl::Duration interval,
                   std::function<void()> function) {
  thread_ = std::thread([this, thread_name, interval,
                         function = std::move(function)] {
    pthread_setname_np(pthread_self(), thread_name.c_str());
    base::MutexLock lock(&mutex_);
    while (!mutex_.AwaitWithTimeout(absl::Condition(&stopping_), interval)) {
      mutex_.Unlock();
      function();
      mutex_.Lock();
    }
  });
}

Periodic::~Periodic() {
  {
    base::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

}  // namespace cooper::rpc
