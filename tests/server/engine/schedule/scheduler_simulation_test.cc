// Many requests on a scheduled device, in virtual time: nobody starves, and the
// device is never idle while something is ready.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "server/engine/schedule/scheduler.h"

namespace cooper::engine {
namespace {

// A piece of work of a simulated request: `count` units of a kind.
struct Stage {
  BatchKind kind;
  int count;
  int64_t rows;
};
struct Simulated {
  absl::Time arrival;
  std::vector<Stage> stages;
  size_t stage = 0;
  int done = 0;  // of the stage
  absl::Time waiting_since;
  absl::Duration longest_wait;
  absl::Time finished;
  bool in_denoise = false;

  bool over() const { return stage >= stages.size(); }
};

constexpr absl::Duration kDecodeTime = absl::Milliseconds(10);
constexpr absl::Duration kSliceTime = absl::Milliseconds(50);
constexpr int kSlicesPerStep = 3;

struct Report {
  absl::Duration longest_wait[4];
  absl::Duration idle;
  absl::Time end;
};

Report Simulate(std::vector<Simulated>& requests, Budgets budgets) {
  Scheduler scheduler(budgets);
  absl::Time now = absl::UnixEpoch();
  Report report;
  int slices_left = 0;
  while (true) {
    std::vector<ReadyItem> ready;
    absl::Time next_arrival = absl::InfiniteFuture();
    bool all_over = true;
    for (size_t i = 0; i < requests.size(); ++i) {
      Simulated& request = requests[i];
      if (request.over()) continue;
      all_over = false;
      if (request.arrival > now) {
        next_arrival = std::min(next_arrival, request.arrival);
        continue;
      }
      if (request.in_denoise) continue;
      if (request.stage == 0 && request.done == 0) {
        request.waiting_since = request.arrival;
      }
      const Stage& stage = request.stages[request.stage];
      ready.push_back({static_cast<int>(i), stage.kind, stage.rows,
                       request.waiting_since, 0});
    }
    if (all_over) break;
    const bool something = !ready.empty() || slices_left > 0;
    const auto batch = scheduler.Plan(
        std::move(ready), slices_left > 0
                              ? std::vector<BatchKind>{BatchKind::kDenoise}
                              : std::vector<BatchKind>{});
    EXPECT_EQ(batch.has_value(), something) << "idle although work is ready";
    if (!batch.has_value()) {
      report.idle += next_arrival - now;
      now = next_arrival;
      continue;
    }
    const auto serve = [&](int index, bool complete) {
      Simulated& request = requests[index];
      const auto kind = static_cast<size_t>(request.stages[request.stage].kind);
      if (!request.in_denoise) {
        report.longest_wait[kind] =
            std::max(report.longest_wait[kind], now - request.waiting_since);
      }
      if (!complete) {
        request.in_denoise = true;
        return;
      }
      request.in_denoise = false;
      if (++request.done == request.stages[request.stage].count) {
        ++request.stage;
        request.done = 0;
        request.finished = now;
      }
    };
    switch (batch->kind) {
      case BatchKind::kDenoise:
        if (!batch->go_on) {
          for (const int i : batch->requests) serve(i, false);
          slices_left = kSlicesPerStep;
        }
        now += kSliceTime;
        if (--slices_left > 0) break;
        for (size_t i = 0; i < requests.size(); ++i) {
          if (!requests[i].in_denoise) continue;
          serve(static_cast<int>(i), true);
          requests[i].waiting_since = now;
        }
        break;
      default:
        for (const int i : batch->requests) serve(i, true);
        now += batch->kind == BatchKind::kDecode ? kDecodeTime : kSliceTime;
        for (const int i : batch->requests) requests[i].waiting_since = now;
    }
  }
  report.end = now;
  return report;
}

std::vector<Simulated> MixedTrace(int count, absl::Duration spacing) {
  std::mt19937 random(7);
  std::vector<Simulated> requests(count);
  for (int i = 0; i < count; ++i) {
    Simulated& request = requests[i];
    request.arrival = absl::UnixEpoch() + i * spacing;
    request.stages.push_back({BatchKind::kPrefill, 1, 600});
    const int maps = static_cast<int>(random() % 3);
    for (int map = 0; map < maps; ++map) {
      request.stages.push_back(
          {BatchKind::kDecode, 20 + static_cast<int>(random() % 40), 1});
      request.stages.push_back({BatchKind::kPrefill, 1, 200});
      request.stages.push_back({BatchKind::kDenoise, 10,
                                500 + static_cast<int64_t>(random() % 3000)});
      request.stages.push_back({BatchKind::kVaeDecode, 1, 1});
      request.stages.push_back({BatchKind::kPrefill, 1, 1500});
    }
    request.stages.push_back({BatchKind::kDecode, 30, 1});
  }
  return requests;
}

TEST(SchedulerSimulationTest, NobodyStarvesUnderAMixedLoad) {
  std::vector<Simulated> requests = MixedTrace(200, absl::Milliseconds(300));
  const Report report =
      Simulate(requests, {.prefill_rows = 4000, .denoise_rows = 8000});
  for (const Simulated& request : requests) ASSERT_TRUE(request.over());
  // Between two decodings at most one other batch runs.
  EXPECT_LE(report.longest_wait[static_cast<size_t>(BatchKind::kDecode)],
            kSliceTime + kDecodeTime);
}

TEST(SchedulerSimulationTest, EndlessTextDoesNotStopAMap) {
  std::vector<Simulated> requests(2);
  requests[0].stages = {{BatchKind::kDecode, 5000, 1}};
  requests[1].stages = {{BatchKind::kDenoise, 10, 100}};
  Simulate(requests, {.prefill_rows = 100, .denoise_rows = 100});
  EXPECT_LE(requests[1].finished - absl::UnixEpoch(),
            10 * kSlicesPerStep * (kSliceTime + kDecodeTime) + kDecodeTime);
}

TEST(SchedulerSimulationTest, EndlessMapsDoNotStopText) {
  std::vector<Simulated> requests(5);
  for (int i = 0; i < 4; ++i) {
    requests[i].stages = {{BatchKind::kDenoise, 200, 90}};
  }
  requests[4].stages = {{BatchKind::kDecode, 100, 1}};
  Simulate(requests, {.prefill_rows = 100, .denoise_rows = 100});
  EXPECT_LE(requests[4].finished - absl::UnixEpoch(),
            101 * (kSliceTime + kDecodeTime));
}

TEST(SchedulerSimulationTest, MapsThatDoNotFitTogetherTakeTurns) {
  // Each alone fills the budget: the fourth's first step comes within one
  // round, not after the end of the first.
  std::vector<Simulated> requests(4);
  for (Simulated& request : requests) {
    request.stages = {{BatchKind::kDenoise, 20, 100}};
  }
  const Report report =
      Simulate(requests, {.prefill_rows = 100, .denoise_rows = 100});
  EXPECT_LE(report.longest_wait[static_cast<size_t>(BatchKind::kDenoise)],
            4 * kSlicesPerStep * kSliceTime);
}

TEST(SchedulerSimulationTest, TheDeviceIsNeverIdleWhileWorkIsReady) {
  // All is there from the start: not a moment may be lost.
  std::vector<Simulated> requests = MixedTrace(50, absl::ZeroDuration());
  const Report report =
      Simulate(requests, {.prefill_rows = 4000, .denoise_rows = 8000});
  EXPECT_EQ(report.idle, absl::ZeroDuration());
}

}  // namespace
}  // namespace cooper::engine
