#ifndef COOPER_SERVER_SIGNALS_H_
#define COOPER_SERVER_SIGNALS_H_

#include <functional>
#include <thread>

namespace cooper {

// Blocks the signals that SignalThread waits for, and ignores SIGPIPE and
// SIGHUP. Call in main before any thread starts: threads inherit the mask.
void BlockSignals();

// Calls a function for every SIGTERM and SIGINT, on a thread of its own, from
// construction to destruction. One per process.
class SignalThread {
 public:
  explicit SignalThread(std::function<void(int signal)> on_stop);
  ~SignalThread();
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

 private:
  std::thread thread_;
};

}  // namespace cooper

#endif  // COOPER_SERVER_SIGNALS_H_
