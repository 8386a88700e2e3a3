#include "server/engine/event_sequencer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace cooper::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class LogSink final : public EventSink {
 public:
  LogSink(std::vector<std::string>* log, std::function<void()> on_event)
      : log_(log), on_event_(std::move(on_event)) {}
  ~LogSink() override { log_->push_back("gone"); }
  void OnEvent(Event event) override {
    const auto* text = std::get_if<TextDeltaEvent>(&event);
    log_->push_back(text != nullptr ? text->text : "finished");
    if (on_event_) on_event_();
  }
  void OnDone(const absl::Status& status) override {
    log_->push_back(absl::StrCat("done ", status.message()));
  }

 private:
  std::vector<std::string>* log_;
  std::function<void()> on_event_;
};

class EventSequencerTest : public ::testing::Test {
 protected:
  std::vector<std::string> log_;
  std::function<void()> on_event_;
  EventSequencer sequencer_{std::make_unique<LogSink>(&log_,
                                                      [this] {
                                                        if (on_event_)
                                                          on_event_();
                                                      }),
                            [this] { log_.push_back("closed"); }};

  static Event Text(const std::string& text) {
    return TextDeltaEvent{0, TextChannel::kPlain, text};
  }
};

TEST_F(EventSequencerTest, DeliversAtOnceWhatIsInOrder) {
  sequencer_.Push(Text("a"));
  sequencer_.Push(Text("b"));
  EXPECT_THAT(log_, ElementsAre("a", "b"));
}

TEST_F(EventSequencerTest, WhatFollowsAReservedPlaceWaitsForIt) {
  const auto first = sequencer_.Reserve();
  sequencer_.Push(Text("b"));
  const auto second = sequencer_.Reserve();
  sequencer_.Push(Text("d"));
  sequencer_.Fill(second, {Text("c")});
  EXPECT_THAT(log_, IsEmpty());
  sequencer_.Fill(first, {Text("a1"), Text("a2")});
  EXPECT_THAT(log_, ElementsAre("a1", "a2", "b", "c", "d"));
}

TEST_F(EventSequencerTest, APlaceMayBeFilledWithNothing) {
  const auto ticket = sequencer_.Reserve();
  sequencer_.Push(Text("b"));
  sequencer_.Fill(ticket, {});
  EXPECT_THAT(log_, ElementsAre("b"));
}

TEST_F(EventSequencerTest, FinishesOnceAllBeforeIsDelivered) {
  const auto ticket = sequencer_.Reserve();
  sequencer_.Finish([] { return FinishedEvent{}; });
  EXPECT_THAT(log_, IsEmpty());
  sequencer_.Fill(ticket, {Text("a")});
  EXPECT_THAT(log_, ElementsAre("a", "finished", "done ", "gone", "closed"));
}

TEST_F(EventSequencerTest, AbortEndsAtOnceAndDropsWhatIsLeft) {
  const auto ticket = sequencer_.Reserve();
  sequencer_.Push(Text("b"));
  EXPECT_TRUE(sequencer_.Abort(absl::CancelledError("x")));
  sequencer_.Fill(ticket, {Text("a")});
  sequencer_.Push(Text("c"));
  EXPECT_THAT(log_, ElementsAre("done x", "gone", "closed"));
}

TEST_F(EventSequencerTest, AbortOvertakesAFinishThatStillWaits) {
  sequencer_.Reserve();
  sequencer_.Finish([] { return FinishedEvent{}; });
  EXPECT_TRUE(sequencer_.Abort(absl::CancelledError("x")));
  EXPECT_THAT(log_, ElementsAre("done x", "gone", "closed"));
}

TEST_F(EventSequencerTest, TheFirstEndStays) {
  sequencer_.Finish([] { return FinishedEvent{}; });
  EXPECT_FALSE(sequencer_.Abort(absl::CancelledError("x")));
  EXPECT_FALSE(sequencer_.Abort(absl::CancelledError("y")));
  EXPECT_THAT(log_, ElementsAre("finished", "done ", "gone", "closed"));
}

TEST_F(EventSequencerTest, ASinkMayCauseFurtherEvents) {
  on_event_ = [this] {
    on_event_ = nullptr;
    sequencer_.Push(Text("b"));
    EXPECT_THAT(log_, ElementsAre("a"));  // one call at a time
  };
  sequencer_.Push(Text("a"));
  EXPECT_THAT(log_, ElementsAre("a", "b"));
}

TEST_F(EventSequencerTest, ASinkMayCauseTheEnd) {
  on_event_ = [this] {
    EXPECT_TRUE(sequencer_.Abort(absl::CancelledError("x")));
  };
  sequencer_.Push(Text("a"));
  EXPECT_THAT(log_, ElementsAre("a", "done x", "gone", "closed"));
}

TEST_F(EventSequencerTest, KeepsTheOrderWhilePlacesAreFilledByOtherThreads) {
  std::vector<std::thread> threads;
  std::vector<std::string> expected;
  for (int i = 0; i < 50; ++i) {
    const auto ticket = sequencer_.Reserve();
    threads.emplace_back([this, ticket, i] {
      sequencer_.Fill(ticket, {Text(absl::StrCat("map ", i))});
    });
    sequencer_.Push(Text(absl::StrCat("text ", i)));
    expected.push_back(absl::StrCat("map ", i));
    expected.push_back(absl::StrCat("text ", i));
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(log_, expected);
}

}  // namespace
}  // namespace cooper::engine
