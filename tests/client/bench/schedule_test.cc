#include "client/bench/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace cooper::client::bench {
namespace {

using ::testing::ElementsAre;

Workload Items(const std::vector<double>& weights, bool in_order = false) {
  Workload workload;
  workload.in_order = in_order;
  for (const double weight : weights) {
    workload.items.push_back({Kind::kAsk, weight, v1::ReasonRequest()});
  }
  return workload;
}

std::vector<Ticket> All(const RunOptions& options, const Workload& workload) {
  Schedule schedule(options, workload);
  std::vector<Ticket> tickets;
  while (const auto ticket = schedule.Next(absl::ZeroDuration())) {
    tickets.push_back(*ticket);
  }
  return tickets;
}

RunOptions Open(double rate, absl::Duration duration) {
  RunOptions options;
  options.rate = rate;
  options.duration = duration;
  return options;
}

TEST(ScheduleTest, ClosedLoopArrivesWhenItIsAskedUntilTheEnd) {
  RunOptions options;
  options.warmup = absl::Seconds(1);
  options.duration = absl::Seconds(2);
  Schedule schedule(options, Items({1}));
  const auto early = schedule.Next(absl::Milliseconds(999));
  ASSERT_TRUE(early.has_value());
  EXPECT_EQ(early->arrival, absl::Milliseconds(999));
  EXPECT_FALSE(early->counted);
  const auto counted = schedule.Next(absl::Seconds(1));
  ASSERT_TRUE(counted.has_value());
  EXPECT_TRUE(counted->counted);
  EXPECT_EQ(counted->index, 1);
  EXPECT_FALSE(schedule.time_is_up());
  EXPECT_FALSE(schedule.Next(absl::Seconds(3)).has_value());
  EXPECT_TRUE(schedule.time_is_up());
}

TEST(ScheduleTest, TheNumberOfRequestsLeavesTheWarmUpOut) {
  RunOptions options;
  options.warmup = absl::Seconds(1);
  options.requests = 2;
  Schedule schedule(options, Items({1}));
  EXPECT_TRUE(schedule.Next(absl::ZeroDuration()).has_value());
  EXPECT_TRUE(schedule.Next(absl::Seconds(1)).has_value());
  EXPECT_TRUE(schedule.Next(absl::Seconds(100)).has_value());
  EXPECT_FALSE(schedule.Next(absl::Seconds(100)).has_value());
  EXPECT_FALSE(schedule.time_is_up());
}

TEST(ScheduleTest, OpenLoopArrivesByTheSeedWheneverItIsAsked) {
  const RunOptions options = Open(100, absl::Seconds(1));
  Schedule early(options, Items({1}));
  Schedule late(options, Items({1}));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(early.Next(absl::ZeroDuration())->arrival,
              late.Next(absl::Seconds(5))->arrival);
  }
  // Fixed for ever: the same seed makes the same load on every machine.
  const std::vector<Ticket> tickets = All(options, Items({1}));
  EXPECT_NEAR(absl::ToDoubleMilliseconds(tickets[0].arrival), 1.437279, 1e-6);
  RunOptions other = options;
  other.seed = 2;
  EXPECT_NE(All(other, Items({1}))[0].arrival, tickets[0].arrival);
}

TEST(ScheduleTest, OpenLoopIsPoisson) {
  const std::vector<Ticket> tickets =
      All(Open(1000, absl::Seconds(50)), Items({1}));
  // 50000 expected, standard deviation 224.
  EXPECT_NEAR(static_cast<double>(tickets.size()), 50'000, 1000);
  // Gaps of an exponential law: mean and deviation alike, 1/e above the mean.
  double sum = 0, squares = 0, above = 0;
  absl::Duration last;
  for (const Ticket& ticket : tickets) {
    const double gap = absl::ToDoubleMilliseconds(ticket.arrival - last);
    EXPECT_GE(gap, 0);
    last = ticket.arrival;
    sum += gap;
    squares += gap * gap;
    above += gap > 1.0 ? 1 : 0;
  }
  const auto count = static_cast<double>(tickets.size());
  const double mean = sum / count;
  EXPECT_NEAR(mean, 1.0, 0.02);
  EXPECT_NEAR(squares / count - mean * mean, 1.0, 0.05);
  EXPECT_NEAR(above / count, 0.368, 0.01);
}

TEST(ScheduleTest, ItemsAreDrawnByWeight) {
  std::map<size_t, int> drawn;
  for (const Ticket& ticket :
       All(Open(1000, absl::Seconds(20)), Items({6, 3, 1}))) {
    ++drawn[ticket.item];
  }
  EXPECT_NEAR(drawn[0] / 20e3, 0.6, 0.02);
  EXPECT_NEAR(drawn[1] / 20e3, 0.3, 0.02);
  EXPECT_NEAR(drawn[2] / 20e3, 0.1, 0.02);
}

TEST(ScheduleTest, AFilesItemsComeInOrderOverAndOver) {
  RunOptions options;
  options.requests = 5;
  std::vector<size_t> items;
  for (const Ticket& ticket : All(options, Items({1, 9, 1}, true))) {
    items.push_back(ticket.item);
  }
  EXPECT_THAT(items, ElementsAre(0, 1, 2, 0, 1));
}

TEST(ScheduleTest, CancelsAreDrawnByShareWithoutChangingTheLoad) {
  RunOptions options = Open(1000, absl::Seconds(10));
  const std::vector<Ticket> none = All(options, Items({1, 1}));
  options.cancel_share = 0.25;
  options.cancel_within = absl::Seconds(2);
  const std::vector<Ticket> some = All(options, Items({1, 1}));
  ASSERT_EQ(none.size(), some.size());
  int cancelled = 0;
  absl::Duration longest;
  for (size_t i = 0; i < none.size(); ++i) {
    EXPECT_EQ(none[i].arrival, some[i].arrival);
    EXPECT_EQ(none[i].item, some[i].item);
    EXPECT_FALSE(none[i].cancel_after.has_value());
    if (!some[i].cancel_after.has_value()) continue;
    ++cancelled;
    EXPECT_LT(*some[i].cancel_after, absl::Seconds(2));
    longest = std::max(longest, *some[i].cancel_after);
  }
  EXPECT_NEAR(cancelled / static_cast<double>(some.size()), 0.25, 0.02);
  EXPECT_GT(longest, absl::Milliseconds(1900));
}

}  // namespace
}  // namespace cooper::client::bench
