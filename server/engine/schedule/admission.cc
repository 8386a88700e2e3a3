#include "server/engine/schedule/admission.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "server/engine/core/end_status.h"
#include "server/engine/core/error.h"

namespace cooper::engine {
namespace {

constexpr absl::Duration kUnknownRetry = absl::Seconds(1);
constexpr absl::Duration kMinRetry = absl::Milliseconds(100);
constexpr absl::Duration kMaxRetry = absl::Minutes(1);

// Factors from 0.75 to 1.25, spread evenly over any row of refusals, so that
// clients that were refused together do not come back together.
double Jitter(int64_t refusal) {
  const double golden = static_cast<double>(refusal) * 0.6180339887498949;
  return 0.75 + 0.5 * (golden - std::floor(golden));
}

}  // namespace

// Until all that is ahead of it now has been started.
absl::Duration Admission::RetryAfter(const LineEntry& entry, absl::Time now) {
  absl::Duration wait = line_.Wait(entry, now).value_or(absl::ZeroDuration());
  if (wait == absl::ZeroDuration()) {
    wait = line_.run_times().Mean(entry.work, now);
  }
  if (wait == absl::ZeroDuration()) wait = kUnknownRetry;
  return std::clamp(wait * Jitter(refusals_++), kMinRetry, kMaxRetry);
}

absl::Status Admission::Admit(const Arrival& arrival, absl::Time now) {
  base::MutexLock lock(&mutex_);
  if (failed_) {
    return ErrorStatus(ErrorReason::kEngineFailed, "the engine failed",
                       kUnknownRetry);
  }
  if (draining_) {
    return ErrorStatus(ErrorReason::kDraining, "the server is shutting down",
                       kUnknownRetry);
  }
  const LineEntry& entry = arrival.entry;
  // A request that alone passes the limit goes when nothing else waits.
  if (bytes_ > 0 && bytes_ + arrival.bytes > limits_.max_bytes) {
    return ErrorStatus(
        ErrorReason::kQueueFull,
        absl::StrCat("the queue is full (", bytes_, " bytes of inputs)"),
        RetryAfter(entry, now));
  }
  if (!arrival.follows) {
    COOPER_RETURN_IF_ERROR(CheckWait(arrival, now));
    COOPER_RETURN_IF_ERROR(CheckCounts(arrival, now));
  }
  ++open_;
  if (!entry.client.empty()) ++clients_[entry.client];
  bytes_ += arrival.bytes;
  line_.Enter(entry);
  return absl::OkStatus();
}

absl::Status Admission::CheckCounts(const Arrival& arrival, absl::Time now) {
  const LineEntry& entry = arrival.entry;
  const auto same = clients_.find(entry.client);
  if (limits_.max_per_client > 0 && same != clients_.end() &&
      same->second >= limits_.max_per_client) {
    return ErrorStatus(ErrorReason::kClientLimit,
                       absl::StrCat("this client has ", same->second,
                                    " requests open already"),
                       RetryAfter(entry, now));
  }
  const int open = open_ - static_cast<int>(evictions_.size());
  if (open < limits_.max_open || Evict(entry)) return absl::OkStatus();
  return ErrorStatus(ErrorReason::kQueueFull,
                     absl::StrCat("the queue is full (", open, " requests)"),
                     RetryAfter(entry, now));
}

bool Admission::Evict(const LineEntry& entry) {
  if (limits_.max_per_client != kFairShare) return false;
  std::string heaviest = line_.Heaviest();
  const auto left =
      line_.waiting_of(heaviest) - absl::c_count(evictions_, heaviest) - 1;
  if (heaviest == entry.client || left < line_.waiting_of(entry.client) + 1) {
    return false;
  }
  evictions_.push_back(std::move(heaviest));
  return true;
}

absl::Status Admission::CheckWait(const Arrival& arrival, absl::Time now) {
  const LineEntry& entry = arrival.entry;
  const std::optional<absl::Duration> wait = line_.Wait(entry, now);
  if (!wait.has_value()) return absl::OkStatus();
  if (limits_.max_delay > absl::ZeroDuration() && *wait > limits_.max_delay) {
    return ErrorStatus(ErrorReason::kQueueFull,
                       absl::StrCat("the queue is full (a request would wait ",
                                    absl::FormatDuration(absl::Trunc(
                                        *wait, absl::Milliseconds(1))),
                                    ")"),
                       RetryAfter(entry, now));
  }
  const absl::Duration expected =
      *wait + line_.run_times().Likely(entry.work, now);
  const absl::Duration left = arrival.deadline - now;
  if (expected <= left) return absl::OkStatus();
  return UnlikelyStatus(expected, left, RetryAfter(entry, now));
}

std::vector<std::string> Admission::TakeEvictions() {
  base::MutexLock lock(&mutex_);
  return std::exchange(evictions_, {});
}

absl::Status Admission::LostPlace(const LineEntry& entry, absl::Time now) {
  base::MutexLock lock(&mutex_);
  return ErrorStatus(ErrorReason::kClientLimit,
                     "the queue is full, and this client had the most waiting "
                     "requests: the newest made room for another client's",
                     RetryAfter(entry, now));
}

absl::Status Admission::CheckStart(const LineEntry& entry, absl::Time deadline,
                                   absl::Time now) {
  base::MutexLock lock(&mutex_);
  if (line_.waiting() <= 1) return absl::OkStatus();
  const absl::Duration likely = line_.run_times().Likely(entry.work, now);
  const absl::Duration left = deadline - now;
  return likely <= left ? absl::OkStatus()
                        : UnlikelyStatus(likely, left, RetryAfter(entry, now));
}

void Admission::Started(const LineEntry& entry) {
  base::MutexLock lock(&mutex_);
  line_.Start(entry);
}

void Admission::LeftLine(const LineEntry& entry) {
  base::MutexLock lock(&mutex_);
  line_.Leave(entry);
}

void Admission::Ran(const LineEntry& entry, absl::Duration ran, bool finished,
                    absl::Time now) {
  base::MutexLock lock(&mutex_);
  line_.End(entry, ran, finished, now);
}

void Admission::SetPlaces(int places) {
  base::MutexLock lock(&mutex_);
  line_.SetPlaces(std::clamp(places, 1, limits_.max_running));
}

void Admission::FreeBytes(int64_t bytes) {
  base::MutexLock lock(&mutex_);
  bytes_ -= bytes;
}

void Admission::Close(const std::string& client) {
  base::MutexLock lock(&mutex_);
  --open_;
  const auto same = clients_.find(client);
  if (same != clients_.end() && --same->second == 0) clients_.erase(same);
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
