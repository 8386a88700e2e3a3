#include "server/engine/schedule/admission.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/engine/core/error.h"

namespace cooper::engine {
namespace {

constexpr absl::Duration kUnknownRetry = absl::Seconds(1);
constexpr absl::Duration kMinRetry = absl::Milliseconds(100);
constexpr absl::Duration kMaxRetry = absl::Seconds(30);
// Weight of the latest interval in the smoothed one.
constexpr double kWeight = 0.2;

}  // namespace

absl::Duration Admission::RetryAfterLocked() const {
  if (interval_ == absl::ZeroDuration()) return kUnknownRetry;
  return std::clamp(interval_, kMinRetry, kMaxRetry);
}

absl::Status Admission::Admit(int64_t bytes, const std::string& client,
                              bool follows) {
  base::MutexLock lock(&mutex_);
  ErrorDetails details;
  if (failed_) {
    details.reason = ErrorReason::kEngineFailed;
    details.retry_after = kUnknownRetry;
    return MakeError(details, "the engine failed");
  }
  if (draining_) {
    details.reason = ErrorReason::kDraining;
    details.retry_after = kUnknownRetry;
    return MakeError(details, "the server is shutting down");
  }
  details.reason = ErrorReason::kQueueFull;
  details.retry_after = RetryAfterLocked();
  if (!follows && open_ >= limits_.max_open) {
    return MakeError(details,
                     absl::StrCat("the queue is full (", open_, " requests)"));
  }
  const auto same = clients_.find(client);
  if (!follows && limits_.max_per_client > 0 && same != clients_.end() &&
      same->second >= limits_.max_per_client) {
    details.reason = ErrorReason::kClientLimit;
    return MakeError(details, absl::StrCat("this client has ", same->second,
                                           " requests open already"));
  }
  // A request that alone passes the limit goes when nothing else waits.
  if (bytes_ > 0 && bytes_ + bytes > limits_.max_bytes) {
    return MakeError(details, absl::StrCat("the queue is full (", bytes_,
                                           " bytes of inputs)"));
  }
  ++open_;
  if (!client.empty()) ++clients_[client];
  bytes_ += bytes;
  return absl::OkStatus();
}

void Admission::FreeBytes(int64_t bytes) {
  base::MutexLock lock(&mutex_);
  bytes_ -= bytes;
}

void Admission::Close(absl::Time now, const std::string& client) {
  base::MutexLock lock(&mutex_);
  --open_;
  const auto same = clients_.find(client);
  if (same != clients_.end() && --same->second == 0) clients_.erase(same);
  if (last_close_ != absl::InfinitePast()) {
    const absl::Duration interval = now - last_close_;
    interval_ = interval_ == absl::ZeroDuration()
                    ? interval
                    : interval_ * (1 - kWeight) + interval * kWeight;
  }
  last_close_ = now;
}

void Admission::Drain() {
  base::MutexLock lock(&mutex_);
  draining_ = true;
}

void Admission::Fail() {
  base::MutexLock lock(&mutex_);
  failed_ = true;
}

void Admission::GiveUp() {
  base::MutexLock lock(&mutex_);
  failed_ = true;
  given_up_ = true;
}

bool Admission::draining() const {
  base::MutexLock lock(&mutex_);
  return draining_;
}

bool Admission::failed() const {
  base::MutexLock lock(&mutex_);
  return failed_;
}

bool Admission::given_up() const {
  base::MutexLock lock(&mutex_);
  return given_up_;
}

int Admission::open() const {
  base::MutexLock lock(&mutex_);
  return open_;
}

bool Admission::WaitUntilIdle(absl::Duration timeout) {
  base::MutexLock lock(&mutex_);
  const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return open_ == 0 || given_up_;
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&idle), timeout);
}

}  // namespace cooper::engine
