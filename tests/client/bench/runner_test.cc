#include "client/bench/runner.h"

#include <set>
#include <thread>

#include "tests/client/events.h"
#include "tests/client/fake_server.h"
#include "tests/testing/status_matchers.h"

namespace cooper::client::bench {
namespace {

class RunnerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.SetScript({WholeStory(), grpc::Status::OK});
    workload_.items.push_back({Kind::kAsk, 1.0, v1::ReasonRequest()});
    for (int i = 0; i < 2; ++i) {
      ClientOptions options;
      options.target = server_.target();
      options.share_connection = false;
      ASSERT_OK_AND_ASSIGN(auto client, Client::Connect(options));
      clients_.push_back(std::move(client));
    }
  }

  Runner MakeRunner(const RunOptions& options) {
    EXPECT_OK(options.Validate());
    CallOptions call_options;
    call_options.join_maps = false;
    return Runner(options, workload_, clients_, call_options,
                  [this](const Sample& s) { samples_.push_back(s); });
  }

  RunResult Run(const RunOptions& options) {
    return MakeRunner(options).Run([](const RunState&) {});
  }

  FakeServer server_;
  Workload workload_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<Sample> samples_;
};

TEST_F(RunnerTest, ClosedLoopSendsAsManyAsAsked) {
  RunOptions options;
  options.concurrency = 3;
  options.requests = 20;
  const RunResult result = Run(options);
  EXPECT_FALSE(result.interrupted);
  ASSERT_EQ(samples_.size(), 20u);
  std::set<int64_t> indices;
  for (const Sample& sample : samples_) {
    EXPECT_EQ(sample.outcome, Outcome::kOk) << sample.message;
    EXPECT_EQ(sample.events, static_cast<int64_t>(WholeStory().size()));
    EXPECT_FALSE(sample.delayed);
    EXPECT_LE(sample.end, result.load_end);
    indices.insert(sample.ticket.index);
  }
  EXPECT_EQ(indices.size(), 20u);
}

TEST_F(RunnerTest, OpenLoopSendsAtTheArrivals) {
  RunOptions options;
  options.rate = 200;
  options.duration = absl::Milliseconds(300);
  options.max_outstanding = 32;
  const RunResult result = Run(options);
  EXPECT_EQ(result.load_end, absl::Milliseconds(300));
  EXPECT_GT(samples_.size(), 20u);
  for (const Sample& sample : samples_) {
    EXPECT_EQ(sample.outcome, Outcome::kOk) << sample.message;
    EXPECT_GE(sample.start, sample.ticket.arrival);
    EXPECT_LT(sample.ticket.arrival, absl::Milliseconds(300));
  }
}

TEST_F(RunnerTest, WhatWaitsForTheBoundCountsFromItsArrival) {
  // One at a time, each cancelled after up to 20 ms, at 1000 a second.
  server_.SetScript({{}, grpc::Status::OK, /*hang=*/true});
  RunOptions options;
  options.rate = 1000;
  options.max_outstanding = 1;
  options.requests = 10;
  options.cancel_share = 1.0;
  options.cancel_within = absl::Milliseconds(20);
  Run(options);
  ASSERT_EQ(samples_.size(), 10u);
  int delayed = 0;
  for (const Sample& sample : samples_) {
    EXPECT_EQ(sample.outcome, Outcome::kCancelled) << sample.message;
    if (sample.delayed) {
      ++delayed;
      EXPECT_GT(sample.latency(), sample.end - sample.start);
    }
  }
  EXPECT_GE(delayed, 5);
}

TEST_F(RunnerTest, ErrorsAreToldByReason) {
  server_.SetScript({{},
                     DetailedStatus(grpc::StatusCode::RESOURCE_EXHAUSTED,
                                    "full", "QUEUE_FULL")});
  RunOptions options;
  options.requests = 3;
  Run(options);
  ASSERT_EQ(samples_.size(), 3u);
  for (const Sample& sample : samples_) {
    EXPECT_EQ(sample.outcome, Outcome::kFailed);
    EXPECT_EQ(sample.code, absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(sample.reason, "QUEUE_FULL");
  }
}

TEST_F(RunnerTest, AClosedLoopCallerWaitsAsTheServerSays) {
  server_.SetScript({{},
                     DetailedStatus(grpc::StatusCode::RESOURCE_EXHAUSTED,
                                    "full", "QUEUE_FULL", "", 150)});
  RunOptions options;
  options.concurrency = 2;
  options.duration = absl::Milliseconds(400);
  Run(options);
  // At 0, 150 and 300 ms; a wait ends with the load.
  EXPECT_GE(samples_.size(), 2u);
  EXPECT_LE(samples_.size(), 6u);
  for (const Sample& sample : samples_) {
    EXPECT_EQ(sample.retry_delay, absl::Milliseconds(150));
    EXPECT_GT(sample.waited, absl::ZeroDuration());
  }
  EXPECT_GE(samples_.front().waited, absl::Milliseconds(150));
}

TEST_F(RunnerTest, ArrivalsOfTheOpenLoopWaitForNoRefusal) {
  server_.SetScript({{},
                     DetailedStatus(grpc::StatusCode::RESOURCE_EXHAUSTED,
                                    "full", "QUEUE_FULL", "", 60000)});
  RunOptions options;
  options.rate = 1000;
  options.requests = 5;
  options.max_outstanding = 1;
  Run(options);
  ASSERT_EQ(samples_.size(), 5u);
  for (const Sample& sample : samples_) {
    EXPECT_EQ(sample.waited, absl::ZeroDuration());
  }
}

TEST_F(RunnerTest, StopEndsWhatRunsAndBeginsNothing) {
  server_.SetScript({WholeStory(), grpc::Status::OK, /*hang=*/true});
  RunOptions options;
  options.concurrency = 4;
  options.duration = absl::Hours(1);
  Runner runner = MakeRunner(options);
  // The first tick comes once calls hang.
  const RunResult result = runner.Run([&](const RunState& state) {
    if (state.running == 4) runner.Stop();
  });
  EXPECT_TRUE(result.interrupted);
  ASSERT_EQ(samples_.size(), 4u);
  for (const Sample& sample : samples_) {
    EXPECT_EQ(sample.outcome, Outcome::kInterrupted);
  }
}

}  // namespace
}  // namespace cooper::client::bench
