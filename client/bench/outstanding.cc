#include "client/bench/outstanding.h"

#include <algorithm>

#include "absl/time/clock.h"

namespace cooper::client::bench {

Outstanding::Outstanding() : watcher_([this] { Watch(); }) {}

Outstanding::~Outstanding() {
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  changed_.SignalAll();
  watcher_.join();
}

int64_t Outstanding::Add(EventStream* stream,
                         std::optional<absl::Duration> cancel_after) {
  absl::MutexLock lock(&mutex_);
  Call call;
  call.stream = stream;
  if (cancel_after.has_value()) {
    call.cancel_at = absl::Now() + *cancel_after;
    changed_.SignalAll();
  }
  // EventStream::Cancel never blocks, nor does it call back.
  if (stopped_) stream->Cancel();
  calls_[next_name_] = call;
  return next_name_++;
}

bool Outstanding::Remove(int64_t name) {
  absl::MutexLock lock(&mutex_);
  const auto call = calls_.find(name);
  const bool cancelled = call->second.cancelled;
  calls_.erase(call);
  return cancelled;
}

void Outstanding::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  for (auto& [name, call] : calls_) call.stream->Cancel();
}

bool Outstanding::stopped() const {
  absl::MutexLock lock(&mutex_);
  return stopped_;
}

bool Outstanding::Sleep(absl::Duration duration) const {
  absl::MutexLock lock(&mutex_);
  return !mutex_.AwaitWithTimeout(absl::Condition(&stopped_), duration);
}

int Outstanding::running() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(calls_.size());
}

void Outstanding::Watch() {
  absl::MutexLock lock(&mutex_);
  while (!ending_) {
    absl::Time next = absl::InfiniteFuture();
    const absl::Time now = absl::Now();
    for (auto& [name, call] : calls_) {
      if (call.cancelled) continue;
      if (call.cancel_at <= now) {
        call.cancelled = true;
        call.stream->Cancel();
      } else {
        next = std::min(next, call.cancel_at);
      }
    }
    changed_.WaitWithDeadline(&mutex_, next);
  }
}

}  // namespace cooper::client::bench
