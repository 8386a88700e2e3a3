#ifndef COOPER_SERVER_SIGNALS_H_
#define COOPER_SERVER_SIGNALS_H_

#include <functional>
#include <thread>

namespace cooper {

// Blocks the signals that SignalThread waits for, and ignores the others that
// would end the process without need: SIGHUP, SIGPIPE, SIGUSR1 and SIGUSR2,
// timers (SIGALRM, SIGVTALRM, SIGPROF), resource limits (SIGXCPU, SIGXFSZ),
// SIGIO, SIGPWR, SIGSTKFLT and real-time signals. SIGQUIT keeps its meaning:
// the process ends with a core dump. Call in main before any thread starts:
// threads inherit the mask.
void PrepareSignals();

// Calls a function for every SIGTERM and SIGINT, on a thread of its own, from
// construction to destruction. No other signal affects it. One per process.
class SignalThread {
 public:
  // Throws std::system_error where the process may open no more files.
  explicit SignalThread(std::function<void(int signal)> on_stop);
  ~SignalThread();
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

 private:
  const int signals_;  // file descriptor: the signals that arrived
  const int quit_;     // file descriptor: written by the destructor
  std::thread thread_;
};

}  // namespace cooper

#endif  // COOPER_SERVER_SIGNALS_H_
