#include "client/bench/summary.h"

#include <gtest/gtest.h>

namespace cooper::client::bench {
namespace {

constexpr absl::Duration kSecond = absl::Seconds(1);

// Ended well, with 10 tokens, a map and 4 steps.
Sample Ok(Kind kind, absl::Duration start, absl::Duration end) {
  Sample sample;
  sample.kind = kind;
  sample.ticket.arrival = start;
  sample.ticket.counted = true;
  sample.start = start;
  sample.end = end;
  sample.usage.set_output_tokens(10);
  sample.usage.set_maps(1);
  sample.usage.set_denoise_steps(4);
  sample.finish_reason = v1::FINISH_REASON_ANSWERED;
  return sample;
}

Sample Failed(absl::StatusCode code, const std::string& reason) {
  Sample sample = Ok(Kind::kAsk, kSecond, 2 * kSecond);
  sample.outcome = Outcome::kFailed;
  sample.code = code;
  sample.reason = reason;
  sample.message = "words of " + reason;
  return sample;
}

TEST(SummaryTest, AddsUpByKindAndOverAll) {
  Summary summary(absl::ZeroDuration(), 10 * kSecond);
  summary.Add(Ok(Kind::kAsk, kSecond, 2 * kSecond));
  summary.Add(Ok(Kind::kAsk, kSecond, 4 * kSecond));
  summary.Add(Ok(Kind::kDepth, kSecond, 6 * kSecond));
  ASSERT_EQ(summary.by_kind().size(), 2u);
  const KindSummary& ask = summary.by_kind().at(Kind::kAsk);
  EXPECT_EQ(ask.ok, 2);
  EXPECT_EQ(ask.output_tokens, 20);
  EXPECT_NEAR(ask.of(Measure::kRequest).figures().mean, 2.0, 1e-9);
  EXPECT_EQ(summary.all().ok, 3);
  EXPECT_EQ(summary.all().denoise_steps, 12);
  EXPECT_EQ(summary.all().finish_reasons.at("answered"), 3);
  EXPECT_NEAR(summary.all().of(Measure::kRequest).figures().max, 5.0, 1e-9);
}

TEST(SummaryTest, OnlyRequestsThatEndWellAreMeasured) {
  Summary summary(absl::ZeroDuration(), 10 * kSecond);
  summary.Add(Failed(absl::StatusCode::kResourceExhausted, "QUEUE_FULL"));
  summary.Add(Failed(absl::StatusCode::kResourceExhausted, "QUEUE_FULL"));
  summary.Add(Failed(absl::StatusCode::kResourceExhausted, "QUOTA"));
  Sample cancelled = Failed(absl::StatusCode::kCancelled, "");
  cancelled.outcome = Outcome::kCancelled;
  summary.Add(cancelled);
  Sample interrupted = cancelled;
  interrupted.outcome = Outcome::kInterrupted;
  summary.Add(interrupted);
  const KindSummary& all = summary.all();
  EXPECT_EQ(all.requests, 4);
  EXPECT_EQ(all.ok, 0);
  EXPECT_EQ(all.failed, 3);
  EXPECT_EQ(all.cancelled, 1);
  ASSERT_EQ(all.errors.size(), 2u);
  const ErrorCount& full = all.errors.at({"RESOURCE_EXHAUSTED", "QUEUE_FULL"});
  EXPECT_EQ(full.count, 2);
  EXPECT_EQ(full.example, "words of QUEUE_FULL");
  EXPECT_EQ(all.of(Measure::kRequest).count(), 0);
  EXPECT_EQ(summary.work_in_window().requests, 0);
}

TEST(SummaryTest, ThroughputTakesThePartOfARequestInTheWindow) {
  struct Case {
    double start, end;
    double part;
  };
  for (const Case& c : std::vector<Case>{{2, 8, 1.0},       // inside
                                         {0, 4, 0.5},       // begins before
                                         {8, 12, 0.5},      // ends after
                                         {0, 20, 0.4},      // both
                                         {0, 2, 0.0},       // before
                                         {10, 11, 0.0}}) {  // after
    Summary summary(2 * kSecond, 10 * kSecond);
    Sample sample =
        Ok(Kind::kAsk, absl::Seconds(c.start), absl::Seconds(c.end));
    sample.ticket.counted = c.start >= 2;
    summary.Add(sample);
    EXPECT_NEAR(summary.work_in_window().requests, c.part, 1e-9) << c.start;
    EXPECT_NEAR(summary.work_in_window().output_tokens, 10 * c.part, 1e-9);
    EXPECT_EQ(summary.all().requests, c.start >= 2 ? 1 : 0);
  }
}

}  // namespace
}  // namespace cooper::client::bench
