#include "base/log_sampler.h"

namespace cooper::base {
namespace {

constexpr absl::Duration kSecond = absl::Seconds(1);

}  // namespace

bool LogSampler::Admit(absl::string_view kind, absl::Time now) {
  MutexLock lock(&mutex_);
  auto found = kinds_.find(kind);
  if (found == kinds_.end()) found = kinds_.emplace(kind, Kind{}).first;
  Kind& state = found->second;
  if (now - state.second >= kSecond || now < state.second) {
    state.second = now;
    state.admitted = 0;
  }
  if (state.admitted < per_second_) {
    ++state.admitted;
    return true;
  }
  ++state.left_out;
  return false;
}

std::vector<std::pair<std::string, int64_t>> LogSampler::TakeLeftOut(
    absl::Time now) {
  std::vector<std::pair<std::string, int64_t>> taken;
  MutexLock lock(&mutex_);
  for (auto& [name, state] : kinds_) {
    if (state.left_out == 0 || now - state.second < kSecond) continue;
    taken.emplace_back(name, std::exchange(state.left_out, 0));
  }
  return taken;
}

}  // namespace cooper::base
