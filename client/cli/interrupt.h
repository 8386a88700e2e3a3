#ifndef COOPER_CLIENT_CLI_INTERRUPT_H_
#define COOPER_CLIENT_CLI_INTERRUPT_H_

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace cooper::client {

// Turns SIGINT and SIGTERM into a call of a function. Make one in main before
// any other thread starts (it blocks them, and SIGUSR1, for all); a thread of
// its own waits for them. Without a function, and at the second signal, the
// process ends at once with 128 plus the signal's number.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // What the next signal calls, on the watching thread; it must own what it
  // uses, as it may run while this returns. Null: nothing.
  void SetHandler(std::function<void()> handler);

  // The signal that came, or 0.
  int signal() const;

 private:
  void Watch();

  mutable absl::Mutex mutex_;
  std::function<void()> handler_ ABSL_GUARDED_BY(mutex_);
  int signal_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_INTERRUPT_H_
