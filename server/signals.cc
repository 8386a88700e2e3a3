#include "server/signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace cooper {
namespace {

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

void Run(int signals, int quit, const std::function<void(int)>& on_stop) {
  pollfd waited[] = {{signals, POLLIN, 0}, {quit, POLLIN, 0}};
  while (true) {
    // Fails only when interrupted by a debugger.
    if (poll(waited, 2, /*timeout=*/-1) < 0) continue;
    if (waited[1].revents != 0) return;
    signalfd_siginfo info;
    if (read(signals, &info, sizeof(info)) == sizeof(info)) {
      on_stop(static_cast<int>(info.ssi_signo));
    }
  }
}

}  // namespace

void PrepareSignals() {
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  for (const int ignored :
       {SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU,
        SIGXFSZ, SIGIO, SIGPWR, SIGSTKFLT}) {
    signal(ignored, SIG_IGN);
  }
  for (int real_time = SIGRTMIN; real_time <= SIGRTMAX; ++real_time) {
    signal(real_time, SIG_IGN);
  }
}

SignalThread::SignalThread(std::function<void(int signal)> on_stop)
    : signals_([] {
        const sigset_t signals = StopSignals();
        return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
      }()),
      quit_(eventfd(0, EFD_CLOEXEC)) {
  if (signals_ < 0 || quit_ < 0) {
    throw std::system_error(errno, std::generic_category(), "signalfd");
  }
  thread_ = std::thread([this, on_stop = std::move(on_stop)] {
    pthread_setname_np(pthread_self(), "signals");
    Run(signals_, quit_, on_stop);
  });
}

SignalThread::~SignalThread() {
  eventfd_write(quit_, 1);
  thread_.join();
  close(signals_);
  close(quit_);
}

}  // namespace cooper
