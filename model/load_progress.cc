#include "model/load_progress.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace cooper::model {
namespace {

constexpr absl::Duration kShortestRetry = absl::Seconds(1);
constexpr absl::Duration kLongestRetry = absl::Minutes(1);

}  // namespace

const char* NameOf(LoadStage stage) {
  switch (stage) {
    case LoadStage::kOpening:
      return "opening files";
    case LoadStage::kReading:
      return "reading weights";
    case LoadStage::kChecking:
      return "checking weights";
    case LoadStage::kWarmUp:
      return "warming up";
  }
  return "loading";
}

LoadProgress::LoadProgress(const base::Clock* clock)
    : clock_(clock), began_(clock->Now()), stage_began_(began_) {}

void LoadProgress::Begin(LoadStage stage, int64_t total_bytes) {
  base::MutexLock lock(&mutex_);
  stage_ = stage;
  stage_began_ = clock_->Now();
  done_bytes_ = 0;
  total_bytes_ = total_bytes;
}

void LoadProgress::Add(int64_t bytes) {
  base::MutexLock lock(&mutex_);
  done_bytes_ += bytes;
}

LoadProgress::State LoadProgress::state() const {
  const absl::Time now = clock_->Now();
  base::MutexLock lock(&mutex_);
  return {stage_, done_bytes_, total_bytes_, now - began_, now - stage_began_};
}

std::string LoadProgress::State::Description() const {
  if (total_bytes <= 0) return NameOf(stage);
  const int64_t percent = std::min<int64_t>(
      100, static_cast<int64_t>(100.0 * static_cast<double>(done_bytes) /
                                static_cast<double>(total_bytes)));
  return absl::StrCat(NameOf(stage), ", ", percent, " %");
}

absl::Duration LoadProgress::State::Remaining() const {
  if (total_bytes <= 0 || done_bytes <= 0) return in_stage;
  const auto done = static_cast<double>(done_bytes);
  const double left =
      std::max(0.0, static_cast<double>(total_bytes - done_bytes));
  return in_stage * (left / done);
}

absl::Duration LoadProgress::RetryAfter(const State& state) {
  return std::clamp(state.Remaining(), kShortestRetry, kLongestRetry);
}

}  // namespace cooper::model
