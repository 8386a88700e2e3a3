#include "server/tracing/span_exporter.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "base/logging.h"

namespace cooper::tracing {
namespace {

// A collector that answers as it is told, and lets a test wait for messages.
class Collector {
 public:
  SpanExporter::Send sender() {
    return [this](const std::string& body, absl::Duration timeout) {
      base::MutexLock lock(&mutex_);
      const auto open = [this] { return open_; };
      mutex_.Await(absl::Condition(&open));
      bodies_.push_back(body);
      last_timeout_ = timeout;
      if (answers_.empty()) return absl::OkStatus();
      absl::Status answer = answers_.front();
      if (answers_.size() > 1) answers_.pop_front();
      return answer;
    };
  }
  // The last one holds for all that follow.
  void Answer(std::deque<absl::Status> answers) {
    base::MutexLock lock(&mutex_);
    answers_ = std::move(answers);
  }
  void SetOpen(bool open) {
    base::MutexLock lock(&mutex_);
    open_ = open;
  }
  size_t AwaitMessages(size_t count) {
    base::MutexLock lock(&mutex_);
    const auto there = [this, count] { return bodies_.size() >= count; };
    mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(20));
    return bodies_.size();
  }
  size_t messages() { return AwaitMessages(0); }
  // Spans of a message.
  size_t SpansOf(size_t message) {
    base::MutexLock lock(&mutex_);
    return nlohmann::json::parse(bodies_.at(
        message))["resourceSpans"][0]["scopeSpans"][0]["spans"]
        .size();
  }
  absl::Duration last_timeout() {
    base::MutexLock lock(&mutex_);
    return last_timeout_;
  }

 private:
  base::Mutex mutex_;
  bool open_ = true;
  std::deque<absl::Status> answers_;
  std::vector<std::string> bodies_;
  absl::Duration last_timeout_;
};

class SpanExporterTest : public ::testing::Test {
 protected:
  SpanExporterTest() {
    options_.interval = absl::Milliseconds(1);
    options_.first_wait = absl::Milliseconds(1);
  }
  void Start() {
    exporter_.emplace(options_, std::vector<Attribute>{}, collector_.sender(),
                      [this](int64_t spans, bool exported) {
                        (exported ? exported_ : dropped_) += spans;
                      });
  }
  void Export(size_t spans) { exporter_->Export(std::vector<Span>(spans)); }
  // Ends the exporter: what it counted is final.
  std::pair<int64_t, int64_t> ExportedAndDropped() {
    exporter_.reset();
    return {exported_.load(), dropped_.load()};
  }

  std::atomic<int64_t> exported_{0};
  std::atomic<int64_t> dropped_{0};
  Collector collector_;
  SpanExporter::Options options_;
  std::optional<SpanExporter> exporter_;
};

using Counts = std::pair<int64_t, int64_t>;

TEST_F(SpanExporterTest, SpansArriveAndAreCounted) {
  Start();
  Export(3);
  EXPECT_EQ(collector_.AwaitMessages(1), 1);
  EXPECT_EQ(collector_.SpansOf(0), 3);
  EXPECT_EQ(ExportedAndDropped(), Counts(3, 0));
}

TEST_F(SpanExporterTest, SpansWaitForOthersToGoWith) {
  options_.interval = absl::InfiniteDuration();
  options_.max_batch = 4;
  Start();
  Export(1);
  Export(2);
  EXPECT_EQ(collector_.messages(), 0);
  Export(3);
  EXPECT_EQ(collector_.AwaitMessages(1), 1);
  EXPECT_EQ(collector_.SpansOf(0), 4);
  EXPECT_EQ(ExportedAndDropped(), Counts(6, 0)) << "the end sends the rest";
  EXPECT_EQ(collector_.SpansOf(1), 2);
}

TEST_F(SpanExporterTest, WhatDidNotArriveIsSentAgain) {
  collector_.Answer({absl::UnavailableError("busy"),
                     absl::UnavailableError("busy"), absl::OkStatus()});
  Start();
  Export(2);
  EXPECT_EQ(collector_.AwaitMessages(3), 3);
  EXPECT_EQ(ExportedAndDropped(), Counts(2, 0));
}

TEST_F(SpanExporterTest, AfterTheLastRetrySpansAreLostWithOneWarning) {
  collector_.Answer({absl::UnavailableError("away")});
  options_.retries = 2;
  const int64_t warnings = base::LinesLogged(base::LogLevel::kWarning);
  Start();
  Export(2);
  EXPECT_EQ(collector_.AwaitMessages(3), 3);
  Export(5);
  EXPECT_EQ(collector_.AwaitMessages(6), 6);
  EXPECT_EQ(ExportedAndDropped(), Counts(0, 7));
  EXPECT_EQ(base::LinesLogged(base::LogLevel::kWarning), warnings + 1);
}

TEST_F(SpanExporterTest, WhatIsRefusedIsNotSentAgain) {
  collector_.Answer(
      {absl::InvalidArgumentError("HTTP status 400"), absl::OkStatus()});
  Start();
  Export(2);
  EXPECT_EQ(collector_.AwaitMessages(1), 1);
  Export(1);
  EXPECT_EQ(collector_.AwaitMessages(2), 2);
  EXPECT_EQ(ExportedAndDropped(), Counts(1, 2));
}

TEST_F(SpanExporterTest, ASlowCollectorCostsSpansAndNobodyWaits) {
  options_.max_waiting = 10;
  options_.max_batch = 1;
  collector_.SetOpen(false);
  Start();
  // One is with the collector, or will be; the others have ten places.
  for (int i = 0; i < 40; ++i) Export(1);
  collector_.SetOpen(true);
  const auto [exported, dropped] = ExportedAndDropped();
  EXPECT_EQ(exported + dropped, 40);
  EXPECT_GE(exported, 10);
  EXPECT_LE(exported, 12);
}

TEST_F(SpanExporterTest, ACallsSpansStayTogether) {
  options_.max_waiting = 10;
  options_.interval = absl::InfiniteDuration();
  Start();
  Export(8);
  Export(3);
  Export(2);
  EXPECT_EQ(ExportedAndDropped(), Counts(10, 3));
}

TEST_F(SpanExporterTest, TheEndDoesNotWaitForACollectorThatIsAway) {
  collector_.Answer({absl::UnavailableError("away")});
  options_.first_wait = absl::Hours(1);
  Start();
  Export(2);
  EXPECT_EQ(collector_.AwaitMessages(1), 1);
  Export(3);
  EXPECT_EQ(ExportedAndDropped(), Counts(0, 5));
  EXPECT_EQ(collector_.messages(), 2) << "the rest is tried once";
  EXPECT_LE(collector_.last_timeout(), options_.flush_time);
}

}  // namespace
}  // namespace cooper::tracing
