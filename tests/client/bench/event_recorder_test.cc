#include "client/bench/event_recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cooper/client/error.h"

namespace cooper::client::bench {
namespace {

using ::testing::ElementsAre;

Ticket ArrivedAt(absl::Duration arrival) {
  Ticket ticket;
  ticket.arrival = arrival;
  return ticket;
}

Event Text(int turn) {
  Event event;
  event.mutable_text_delta()->set_turn(turn);
  event.mutable_text_delta()->set_text("word");
  return event;
}

Event MapStart(int id) {
  Event event;
  event.mutable_map_started()->set_map_id(id);
  return event;
}

Event MapStep(int id) {
  Event event;
  event.mutable_map_progress()->set_map_id(id);
  return event;
}

Event MapData(int id) {
  Event event;
  event.mutable_map()->set_map_id(id);
  return event;
}

constexpr absl::Duration Ms(int ms) { return absl::Milliseconds(ms); }

TEST(EventRecorderTest, TimesCountFromTheArrivalNotFromTheSending) {
  EventRecorder recorder(ArrivedAt(Ms(100)), Kind::kAsk, /*start=*/Ms(150));
  Event started;
  started.mutable_started();
  recorder.Take(started, Ms(160));
  recorder.Take(Text(0), Ms(200));
  recorder.Take(Text(0), Ms(207));
  recorder.Take(Text(0), Ms(210));
  recorder.Take(MapStart(0), Ms(220));
  recorder.Take(MapStep(0), Ms(240));
  recorder.Take(MapStep(0), Ms(260));
  recorder.Take(MapData(0), Ms(270));
  recorder.Take(MapData(0), Ms(280));
  recorder.Take(Text(1), Ms(300));
  recorder.Take(Text(1), Ms(304));
  Event finished;
  finished.mutable_finished()->set_reason(v1::FINISH_REASON_ANSWERED);
  finished.mutable_finished()->mutable_usage()->set_output_tokens(9);
  recorder.Take(finished, Ms(310));
  const Sample sample = recorder.Finish(absl::OkStatus(), Ms(311));
  EXPECT_EQ(sample.outcome, Outcome::kOk);
  EXPECT_EQ(sample.start, Ms(150));
  EXPECT_EQ(sample.first_event, Ms(60));
  EXPECT_EQ(sample.first_text, Ms(100));
  EXPECT_EQ(sample.first_map_step, Ms(140));
  // None over the map between the two texts.
  EXPECT_THAT(sample.text_gaps, ElementsAre(Ms(7), Ms(3), Ms(4)));
  EXPECT_THAT(sample.map_times, ElementsAre(Ms(60)));
  EXPECT_EQ(sample.latency(), Ms(211));
  EXPECT_EQ(sample.events, 12);
  EXPECT_EQ(sample.text_pieces, 5);
  EXPECT_EQ(sample.usage.output_tokens(), 9);
  EXPECT_EQ(sample.finish_reason, v1::FINISH_REASON_ANSWERED);
}

TEST(EventRecorderTest, WhatDidNotComeIsNotMeasured) {
  EventRecorder recorder(ArrivedAt(Ms(0)), Kind::kDepth, Ms(0));
  recorder.Take(MapStart(0), Ms(5));
  const Sample sample = recorder.Finish(absl::UnavailableError("gone"), Ms(9));
  EXPECT_EQ(sample.outcome, Outcome::kFailed);
  EXPECT_EQ(sample.code, absl::StatusCode::kUnavailable);
  EXPECT_EQ(sample.message, "gone");
  EXPECT_EQ(sample.first_event, Ms(5));
  EXPECT_EQ(sample.first_text, std::nullopt);
  EXPECT_EQ(sample.first_map_step, std::nullopt);
  EXPECT_TRUE(sample.map_times.empty());
}

}  // namespace
}  // namespace cooper::client::bench
