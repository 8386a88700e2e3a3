#include "client/cli/interrupt.h"

#include <pthread.h>
#include <signal.h>

#include <cstdlib>
#include <utility>

namespace cooper::client {
namespace {

// Wakes the watching thread when there is nothing more to watch.
constexpr int kWake = SIGUSR1;

sigset_t Signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, kWake);
  return set;
}

}  // namespace

Interrupt::Interrupt() {
  const sigset_t set = Signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::thread([this] { Watch(); });
}

Interrupt::~Interrupt() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  pthread_kill(thread_.native_handle(), kWake);
  thread_.join();
}

void Interrupt::SetHandler(std::function<void()> handler) {
  absl::MutexLock lock(&mutex_);
  handler_ = std::move(handler);
}

int Interrupt::signal() const {
  absl::MutexLock lock(&mutex_);
  return signal_;
}

void Interrupt::Watch() {
  const sigset_t set = Signals();
  for (;;) {
    int number = 0;
    sigwait(&set, &number);
    std::function<void()> handler;
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return;
      if (number == kWake) continue;
      signal_ = number;
      handler = std::exchange(handler_, nullptr);
    }
    if (!handler) std::_Exit(128 + number);
    handler();
  }
}

}  // namespace cooper::client
