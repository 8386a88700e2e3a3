#include "server/signals.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace cooper {
namespace {

// Ends the thread itself.
constexpr int kQuit = SIGUSR1;

sigset_t WaitedSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, kQuit);
  return signals;
}

}  // namespace

void BlockSignals() {
  const sigset_t signals = WaitedSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
}

SignalThread::SignalThread(std::function<void(int signal)> on_stop)
    : thread_([on_stop = std::move(on_stop)] {
        pthread_setname_np(pthread_self(), "signals");
        const sigset_t signals = WaitedSignals();
        int signal = 0;
        while (sigwait(&signals, &signal) == 0 && signal != kQuit) {
          on_stop(signal);
        }
      }) {}

SignalThread::~SignalThread() {
  pthread_kill(thread_.native_handle(), kQuit);
  thread_.join();
}

}  // namespace cooper
