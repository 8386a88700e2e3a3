// The engine's policy over thousands of requests in virtual time. What the
// bounds say is in each test; what the device takes, in simulation.h.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/engine/schedule/simulation.h"
#include "tests/server/engine/schedule/trace.h"

namespace cooper::engine {
namespace {

// Of the committed traces; `count` as given.
TraceMix Poisson(int count) {
  return {.seed = 11, .count = count, .per_second = 0.5, .low = 0.2};
}
TraceMix Bursts(int count) {
  return {.seed = 12,
          .count = count,
          .per_second = 1,
          .burst = 20,
          .clients = 6,
          .low = 0.3,
          .deadline = 0.4,
          .cancel = 0.2};
}
// One client sends at once what takes minutes; another goes on as before.
Trace Flood(int flood, int steady) {
  Trace trace =
      MakeTrace({.seed = 13, .count = flood, .per_second = 1, .burst = flood});
  for (TraceRequest& request : trace) request.client = "flood";
  Trace other = MakeTrace({.seed = 14, .count = steady, .per_second = 0.2});
  for (TraceRequest& request : other) request.client = "steady";
  return Merge(std::move(trace), other);
}

std::string ReadTrace(const std::string& name) {
  std::ifstream file(std::string(COOPER_TEST_DATA) + "/traces/" + name);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

std::vector<absl::Duration> Latencies(const Trace& trace,
                                      const SimulationReport& report,
                                      const std::string& client,
                                      Priority priority = Priority::kNormal) {
  std::vector<absl::Duration> latencies;
  for (size_t i = 0; i < trace.size(); ++i) {
    if (trace[i].client != client && !client.empty()) continue;
    if (trace[i].priority != priority) continue;
    if (report.ends[i].outcome != Outcome::kDone) continue;
    latencies.push_back(report.ends[i].ended - trace[i].at);
  }
  std::sort(latencies.begin(), latencies.end());
  return latencies;
}

absl::Duration Percentile95(const std::vector<absl::Duration>& sorted) {
  return sorted.empty() ? absl::ZeroDuration()
                        : sorted[sorted.size() * 95 / 100];
}

// What holds for every trace.
void ExpectSound(const Trace& trace, const SimulationReport& report) {
  EXPECT_EQ(report.idle_with_work, 0);
  EXPECT_EQ(report.kv_left, 0);
  absl::Duration device;
  for (size_t i = 0; i < trace.size(); ++i) {
    const SimulatedEnd& end = report.ends[i];
    device += end.device;
    EXPECT_NE(end.outcome, Outcome::kOpen) << i;
    if (!trace[i].deadline && !trace[i].cancel) {
      EXPECT_EQ(end.outcome, Outcome::kDone) << i;
    }
    if (end.outcome == Outcome::kRefused) {
      EXPECT_EQ(end.device, absl::ZeroDuration()) << i;
    }
    if (end.outcome == Outcome::kDone && trace[i].deadline) {
      EXPECT_LE(end.ended - trace[i].at, *trace[i].deadline + absl::Seconds(1));
    }
  }
  // Every batch's time is somebody's.
  EXPECT_NEAR(absl::ToDoubleSeconds(device), absl::ToDoubleSeconds(report.busy),
              0.01);
}

TEST(TraceTest, LinesSayTheWholeRequest) {
  const Trace trace = MakeTrace(Bursts(50));
  EXPECT_EQ(FromJsonLines(ToJsonLines(trace)), trace);
}

TEST(TraceSimulationTest, RecordedTracesAreServed) {
  const struct {
    const char* name;
    Trace made;
  } cases[] = {{"poisson.jsonl", MakeTrace(Poisson(60))},
               {"bursts.jsonl", MakeTrace(Bursts(80))},
               {"flood.jsonl", Flood(60, 20)}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const std::string lines = ReadTrace(c.name);
    EXPECT_EQ(lines, ToJsonLines(c.made));
    const Trace trace = FromJsonLines(lines);
    ASSERT_FALSE(trace.empty());
    ExpectSound(trace, Simulate(trace, {}));
  }
}

// The device is busy for 87 % of the time.
TEST(TraceSimulationTest, NobodyStarvesAtALoadThatTheDeviceCanBear) {
  const Trace trace = MakeTrace(Poisson(3000));
  const SimulationReport report = Simulate(trace, {});
  ExpectSound(trace, report);
  for (size_t i = 0; i < trace.size(); ++i) {
    EXPECT_LT(report.ends[i].longest_wait, absl::Seconds(6)) << i;
    EXPECT_LT(report.ends[i].started - trace[i].at, absl::Minutes(1)) << i;
  }
}

TEST(TraceSimulationTest, BurstsWithDeadlinesAndCancelsAreAccountedFor) {
  const Trace trace = MakeTrace(Bursts(3000));
  const SimulationReport report = Simulate(trace, {});
  ExpectSound(trace, report);
  std::map<Outcome, int> outcomes;
  for (const SimulatedEnd& end : report.ends) ++outcomes[end.outcome];
  for (const Outcome outcome : {Outcome::kDone, Outcome::kCancelled,
                                Outcome::kLate, Outcome::kRefused}) {
    EXPECT_GT(outcomes[outcome], 20) << static_cast<int>(outcome);
  }
}

// On an idle device what is refused for its deadline could not have been done.
TEST(TraceSimulationTest, OnlyWhatCannotBeDoneInTimeIsRefused) {
  TraceMix mix = Poisson(2000);
  mix.per_second = 0.1;
  mix.deadline = 1;
  const Trace trace = MakeTrace(mix);
  const SimulatedDevice device;
  const SimulationReport report = Simulate(trace, device);
  int refused = 0;
  for (size_t i = 0; i < trace.size(); ++i) {
    if (report.ends[i].outcome != Outcome::kRefused) continue;
    ++refused;
    EXPECT_LT(*trace[i].deadline, TimeAlone(trace[i], device)) << i;
  }
  EXPECT_GT(refused, 5);
}

// Of two clients, one with ten times as many requests as the other, each gets
// half of the device while both want it.
TEST(TraceSimulationTest, ClientsShareTheDeviceEvenly) {
  Trace trace = MakeTrace({.seed = 21, .count = 1100, .per_second = 1});
  for (size_t i = 0; i < trace.size(); ++i) {
    trace[i].at = absl::ZeroDuration();
    trace[i].client = i % 11 == 0 ? "few" : "many";
  }
  SimulationReport report = Simulate(trace, {});
  ExpectSound(trace, report);
  const double a = absl::ToDoubleSeconds(report.while_all_had_work["many"]);
  const double b = absl::ToDoubleSeconds(report.while_all_had_work["few"]);
  EXPECT_GT(a + b, 60);
  EXPECT_NEAR(b / (a + b), 0.5, 0.1);
}

TEST(TraceSimulationTest, AFloodDoesNotDrownASteadyClient) {
  const Trace trace = Flood(1000, 200);
  Trace alone;
  for (const TraceRequest& request : trace) {
    if (request.client == "steady") alone.push_back(request);
  }
  const SimulationReport with = Simulate(trace, {});
  ExpectSound(trace, with);
  const auto solo =
      Percentile95(Latencies(alone, Simulate(alone, {}), "steady"));
  const auto flooded = Percentile95(Latencies(trace, with, "steady"));
  // Half of the device is the flood's; and it may be in the middle of work.
  EXPECT_LT(flooded, 5 * solo);
  // First come, first served would have it wait for the whole flood.
  EXPECT_LT(flooded, Percentile95(Latencies(trace, with, "flood")) / 5);
}

TEST(TraceSimulationTest, LowPriorityHardlyDelaysOthersAndIsNotForgotten) {
  TraceMix normal_mix = Poisson(1000);
  normal_mix.low = 0;
  normal_mix.per_second = 0.3;
  const Trace normal = MakeTrace(normal_mix);
  TraceMix low_mix = {.seed = 31, .count = 300, .per_second = 3, .low = 1};
  const Trace trace = Merge(normal, MakeTrace(low_mix));
  const SimulationReport without = Simulate(normal, {});
  const SimulationReport with = Simulate(trace, {});
  ExpectSound(trace, with);
  EXPECT_LT(Percentile95(Latencies(trace, with, "")),
            3 * Percentile95(Latencies(normal, without, "")));
  EXPECT_EQ(Latencies(trace, with, "", Priority::kLow).size(), 300U);
}

// A device that does about a dozen requests a second, so that callers may well
// set deadlines of seconds.
SimulatedDevice FastDevice() {
  SimulatedDevice device;
  for (absl::Duration* time :
       {&device.prefill_batch, &device.append_row, &device.decode_batch,
        &device.decode_row, &device.denoise_step, &device.flow_row,
        &device.latents}) {
    *time /= 25;
  }
  device.max_delay = absl::Seconds(30);
  return device;
}

double DonePerSecond(const Trace& trace, const SimulationReport& report) {
  int done = 0;
  absl::Duration last;
  for (size_t i = 0; i < trace.size(); ++i) {
    if (report.ends[i].outcome != Outcome::kDone) continue;
    ++done;
    last = std::max(last, report.ends[i].ended);
  }
  return done / absl::ToDoubleSeconds(last);
}

class OverloadTest
    : public ::testing::TestWithParam<std::tuple<double, double>> {
 protected:
  // Requests that come at `load` times what the device can do.
  static Trace Overload(double peak, double load, double deadline) {
    Trace trace = MakeTrace(
        {.seed = 41, .count = 1500, .per_second = load * peak, .clients = 8});
    for (TraceRequest& request : trace) {
      if (deadline > 0) request.deadline = absl::Seconds(deadline);
    }
    return trace;
  }
  // Requests a second where there are always others to go on with.
  static double Peak() {
    static const double peak = MeasurePeak();
    return peak;
  }

 private:
  static double MeasurePeak() {
    Trace trace = MakeTrace({.seed = 40, .count = 1000, .burst = 1000});
    for (TraceRequest& request : trace) request.at = absl::ZeroDuration();
    SimulatedDevice device = FastDevice();
    device.max_delay = absl::ZeroDuration();
    return DonePerSecond(trace, Simulate(trace, device));
  }
};

TEST_P(OverloadTest, GoodputStaysNearThePeak) {
  const auto [load, deadline] = GetParam();
  const double peak = Peak();
  const Trace trace = Overload(peak, load, deadline);
  const SimulationReport report = Simulate(trace, FastDevice());
  int late = 0, refused = 0;
  absl::Duration useful;
  for (const SimulatedEnd& end : report.ends) {
    if (end.outcome == Outcome::kDone) useful += end.device;
    late += end.outcome == Outcome::kLate ? 1 : 0;
    refused += end.outcome == Outcome::kRefused ? 1 : 0;
  }
  EXPECT_GT(DonePerSecond(trace, report), 0.9 * peak)
      << peak << " at the peak; late " << late << ", refused " << refused;
  // What is refused has cost nothing.
  EXPECT_LT(late, static_cast<int>(trace.size()) / 20);
  EXPECT_GT(refused, 0);
  EXPECT_GT(useful, 0.9 * report.busy);
}

std::string OverloadName(
    const ::testing::TestParamInfo<std::tuple<double, double>>& test) {
  const auto [load, deadline] = test.param;
  return absl::StrCat("Load", load, "Deadline",
                      deadline > 0 ? absl::StrCat(deadline, "s") : "None");
}

INSTANTIATE_TEST_SUITE_P(LoadsAndDeadlines, OverloadTest,
                         ::testing::Combine(::testing::Values(2, 5),
                                            ::testing::Values(0, 3, 5, 10)),
                         OverloadName);

}  // namespace
}  // namespace cooper::engine
