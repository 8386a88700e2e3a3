#include "client/bench/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace cooper::client::bench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

RunFacts Facts() {
  RunFacts facts;
  facts.begun_at = absl::FromUnixSeconds(1'700'000'000);
  facts.server = "localhost:8001";
  facts.options.concurrency = 4;
  facts.options.warmup = absl::Seconds(1);
  facts.options.duration = absl::Seconds(4);
  facts.result.load_end = absl::Seconds(5);
  facts.workload = {{"mix", "ask=2,depth"}};
  facts.model.set_name("fake");
  facts.model.set_device("cpu");
  facts.model.mutable_limits()->set_max_running(16);
  return facts;
}

Sample Answered(Kind kind, absl::Duration took) {
  Sample sample;
  sample.kind = kind;
  sample.ticket.counted = true;
  sample.ticket.arrival = sample.start = absl::Seconds(2);
  sample.end = sample.start + took;
  sample.first_event = absl::Milliseconds(1);
  sample.usage.set_output_tokens(8);
  sample.finish_reason = v1::FINISH_REASON_ANSWERED;
  return sample;
}

Summary TwoAndAFailure() {
  Summary summary(absl::Seconds(1), absl::Seconds(5));
  summary.Add(Answered(Kind::kAsk, absl::Milliseconds(100)));
  summary.Add(Answered(Kind::kDepth, absl::Milliseconds(300)));
  Sample failed = Answered(Kind::kAsk, absl::Milliseconds(2));
  failed.outcome = Outcome::kFailed;
  failed.code = absl::StatusCode::kResourceExhausted;
  failed.reason = "QUEUE_FULL";
  failed.message = "no\x1b room";
  summary.Add(failed);
  return summary;
}

TEST(BenchJsonTest, HoldsConfigurationModelThroughputAndMeasures) {
  const Json json = Json::parse(RenderJson(Facts(), TwoAndAFailure()));
  EXPECT_EQ(json["schema"], "cooper.bench/1");
  EXPECT_EQ(json["begun_at"], "2023-11-14T22:13:20+00:00");
  const Json& configuration = json["configuration"];
  EXPECT_EQ(configuration["loop"], "closed");
  EXPECT_EQ(configuration["concurrency"], 4);
  EXPECT_TRUE(configuration["rate"].is_null());
  EXPECT_TRUE(configuration["deadline_seconds"].is_null());
  EXPECT_EQ(configuration["duration_seconds"], 4.0);
  EXPECT_EQ(configuration["workload"]["mix"], "ask=2,depth");
  EXPECT_EQ(json["model"]["limits"]["max_running"], 16);
  EXPECT_EQ(json["interrupted"], false);
  EXPECT_EQ(json["throughput"]["window_seconds"], 4.0);
  EXPECT_NEAR(json["throughput"]["requests_per_second"].get<double>(), 0.5,
              1e-9);
  EXPECT_NEAR(json["throughput"]["output_tokens_per_second"].get<double>(), 4.0,
              1e-9);
  EXPECT_TRUE(json["throughput"]["offered_requests_per_second"].is_null());
  EXPECT_EQ(json["all"]["requests"], 3);
  EXPECT_EQ(json["all"]["ok"], 2);
  EXPECT_EQ(json["methods"]["ask"]["failed"], 1);
  const Json& error = json["methods"]["ask"]["errors"][0];
  EXPECT_EQ(error["code"], "RESOURCE_EXHAUSTED");
  EXPECT_EQ(error["reason"], "QUEUE_FULL");
  EXPECT_EQ(error["count"], 1);
  const Json& request = json["all"]["measures"]["request_seconds"];
  EXPECT_EQ(request["count"], 2);
  EXPECT_NEAR(request["p50"].get<double>(), 0.1, 1e-9);
  EXPECT_NEAR(request["max"].get<double>(), 0.3, 1e-9);
  EXPECT_EQ(request["exact"], true);
  EXPECT_EQ(json["all"]["measures"].size(), 7u);
}

TEST(BenchJsonTest, OpenLoopTellsWhatWasOffered) {
  RunFacts facts = Facts();
  facts.options.rate = 2.5;
  const Json json = Json::parse(RenderJson(facts, TwoAndAFailure()));
  EXPECT_EQ(json["configuration"]["loop"], "open");
  EXPECT_EQ(json["configuration"]["rate"], 2.5);
  EXPECT_TRUE(json["configuration"]["concurrency"].is_null());
  EXPECT_EQ(json["throughput"]["offered_requests_per_second"], 0.75);
}

TEST(BenchJsonTest, ARunThatEndedInItsWarmUpHasNoThroughput) {
  RunFacts facts = Facts();
  facts.result.load_end = absl::Milliseconds(300);
  facts.result.interrupted = true;
  const Summary nothing(absl::Seconds(1), absl::Seconds(5));
  const Json json = Json::parse(RenderJson(facts, nothing));
  EXPECT_EQ(json["interrupted"], true);
  EXPECT_EQ(json["throughput"]["window_seconds"], 0.0);
  EXPECT_TRUE(json["throughput"]["requests_per_second"].is_null());
  EXPECT_THAT(RenderTable(facts, nothing),
              AllOf(HasSubstr("interrupted"), HasSubstr("0 requests: 0 ok"),
                    Not(HasSubstr("throughput"))));
}

TEST(BenchTableTest, ShowsKindsAllThroughputAndErrors) {
  const std::string table = RenderTable(Facts(), TwoAndAFailure());
  EXPECT_THAT(
      table,
      AllOf(
          HasSubstr("closed loop, 4 at a time"), HasSubstr("mix ask=2,depth"),
          HasSubstr("4.000 s measured after 1.000 s of warm-up"),
          HasSubstr("\nask: "), HasSubstr("\ndepth: "), HasSubstr("\nall: "),
          HasSubstr("  request               2     200.0     100.0     300.0  "
                    "   300.0     300.0     300.0\n"),
          HasSubstr("  requests/s                       0.50\n"),
          HasSubstr("3 requests: 2 ok, 1 failed, 0 cancelled by us\n"),
          HasSubstr("1  RESOURCE_EXHAUSTED QUEUE_FULL: no\xEF\xBF\xBD room"),
          Not(HasSubstr("send delay")), Not(HasSubstr("waited here"))));
}

TEST(BenchTableTest, TellsWhatCallersWaitedAfterRefusals) {
  Summary summary = TwoAndAFailure();
  EXPECT_THAT(RenderTable(Facts(), summary), Not(HasSubstr("refusals")));
  Sample refused = Answered(Kind::kAsk, absl::Milliseconds(2));
  refused.outcome = Outcome::kFailed;
  refused.retry_delay = absl::Seconds(2);
  refused.waited = absl::Milliseconds(1500);
  summary.Add(refused);
  summary.Add(refused);
  EXPECT_THAT(RenderTable(Facts(), summary),
              HasSubstr("waited 3.0 s in 2 refusals"));
  const Json json = Json::parse(RenderJson(Facts(), summary));
  EXPECT_EQ(json["all"]["refusals"], 2);
  EXPECT_EQ(json["all"]["waited_seconds"], 3.0);
  const Json sample = Json::parse(RenderSample(refused));
  EXPECT_EQ(sample["retry_delay_seconds"], 2.0);
  EXPECT_EQ(sample["waited_seconds"], 1.5);
}

TEST(BenchTableTest, OneKindIsNotShownTwice) {
  Summary summary(absl::Seconds(1), absl::Seconds(5));
  summary.Add(Answered(Kind::kAsk, absl::Milliseconds(100)));
  EXPECT_THAT(RenderTable(Facts(), summary),
              AllOf(HasSubstr("\nask: "), Not(HasSubstr("\nall: "))));
}

TEST(BenchSampleTest, IsOneLineWithNullForWhatDidNotCome) {
  Sample sample = Answered(Kind::kDepth, absl::Milliseconds(300));
  sample.ticket.index = 7;
  sample.ticket.arrival -= absl::Milliseconds(50);
  sample.delayed = true;
  sample.text_gaps = {absl::Milliseconds(2), absl::Milliseconds(4)};
  const std::string line = RenderSample(sample);
  EXPECT_THAT(line, Not(HasSubstr("\n")));
  const Json json = Json::parse(line);
  EXPECT_EQ(json["index"], 7);
  EXPECT_EQ(json["method"], "depth");
  EXPECT_EQ(json["outcome"], "ok");
  EXPECT_EQ(json["delayed"], true);
  EXPECT_TRUE(json["first_text_seconds"].is_null());
  EXPECT_NEAR(json["request_seconds"].get<double>(), 0.35, 1e-9);
  EXPECT_NEAR(json["text_gap_seconds"]["mean"].get<double>(), 0.003, 1e-9);
  EXPECT_NEAR(json["text_gap_seconds"]["max"].get<double>(), 0.004, 1e-9);
}

}  // namespace
}  // namespace cooper::client::bench
