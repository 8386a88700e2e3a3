#include "tests/bench/gpu/activity.h"

#include <torch/csrc/autograd/profiler_kineto.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "tests/bench/require.h"

namespace cooper::bench {
namespace {

namespace profiler = torch::autograd::profiler;
namespace impl = torch::profiler::impl;

bool IsCopy(const std::string& name) {
  return absl::StartsWith(name, "Memcpy") || absl::StartsWith(name, "Memset");
}

// Of the CUDA runtime's and the driver's calls those that return when the GPU
// has caught up. A copy to or from pageable memory waits too, but its call does
// not tell; its stream is waited for by ATen with one of these.
bool IsWait(const std::string& name) {
  return absl::StrContains(name, "Synchronize") || name == "cudaMemcpy";
}

// Time covered by intervals, which may overlap.
double Covered(std::vector<std::pair<uint64_t, uint64_t>> intervals) {
  std::sort(intervals.begin(), intervals.end());
  uint64_t covered = 0;
  uint64_t reached = 0;
  for (const auto& [begin, end] : intervals) {
    const uint64_t from = std::max(begin, reached);
    if (end > from) covered += end - from;
    reached = std::max(reached, end);
  }
  return static_cast<double>(covered) / 1e9;
}

std::vector<KernelTime> LongestFirst(
    const std::map<std::string, KernelTime>& by_name) {
  std::vector<KernelTime> times;
  times.reserve(by_name.size());
  for (const auto& [name, time] : by_name) times.push_back(time);
  std::sort(times.begin(), times.end(),
            [](const KernelTime& a, const KernelTime& b) {
              return a.seconds > b.seconds;
            });
  return times;
}

}  // namespace

Activity Observe(const torch_model::Device& device,
                 const std::function<void()>& work) {
  std::set<impl::ActivityType> kinds = {impl::ActivityType::CPU};
  if (!device.is_cpu()) kinds.insert(impl::ActivityType::CUDA);
  const impl::ProfilerConfig config(impl::ProfilerState::KINETO);
  profiler::prepareProfiler(config, kinds);
  profiler::enableProfiler(config, kinds, {at::RecordScope::FUNCTION});
  work();
  Require(torch_model::Synchronize(device));
  const auto result = profiler::disableProfiler();

  Activity activity;
  std::vector<std::pair<uint64_t, uint64_t>> intervals;
  std::map<std::string, KernelTime> by_name;
  for (const profiler::KinetoEvent& event : result->events()) {
    const std::string name = event.name();
    if (event.deviceType() == c10::DeviceType::CPU) {
      activity.operators += absl::StartsWith(name, "aten::") ? 1 : 0;
      activity.host_waits += IsWait(name) ? 1 : 0;
      continue;
    }
    if (IsWait(name)) continue;  // marks of the profiler, not work
    intervals.emplace_back(event.startNs(), event.endNs());
    (IsCopy(name) ? activity.copies : activity.kernels) += 1;
    KernelTime& time = by_name[name];
    time.name = name;
    ++time.launches;
    time.seconds += static_cast<double>(event.endNs() - event.startNs()) / 1e9;
  }
  activity.kernel_times = LongestFirst(by_name);
  if (!intervals.empty()) {
    uint64_t begin = intervals.front().first;
    uint64_t end = 0;
    for (const auto& [from, to] : intervals) {
      begin = std::min(begin, from);
      end = std::max(end, to);
    }
    activity.span_seconds = static_cast<double>(end - begin) / 1e9;
    activity.busy_seconds = Covered(std::move(intervals));
  }
  return activity;
}

}  // namespace cooper::bench
