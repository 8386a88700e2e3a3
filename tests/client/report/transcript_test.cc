#include "client/report/transcript.h"

#include <gtest/gtest.h>

#include "tests/client/events.h"

namespace cooper::client {
namespace {

Transcript Of(const std::vector<Event>& events) {
  Transcript transcript;
  for (const Event& event : events) transcript.Add(event);
  return transcript;
}

TEST(TranscriptTest, JoinsTextOfOneTurnAndChannel) {
  const Transcript transcript =
      Of({TextEvent(0, v1::TEXT_CHANNEL_THINK, "a"),
          TextEvent(0, v1::TEXT_CHANNEL_THINK, "b"),
          TextEvent(0, v1::TEXT_CHANNEL_ANSWER, "c"),
          TextEvent(1, v1::TEXT_CHANNEL_ANSWER, "d")});
  ASSERT_EQ(transcript.blocks().size(), 3u);
  EXPECT_EQ(std::get<TextBlock>(transcript.blocks()[0]).text, "ab");
  EXPECT_EQ(std::get<TextBlock>(transcript.blocks()[2]).turn, 1);
}

TEST(TranscriptTest, KeepsAMapTogetherWhereItBegan) {
  const Transcript transcript =
      Of({MapStartedEvent(0, v1::MAP_KIND_DEPTH), ProgressEvent(0, 1, 2, "p"),
          TextEvent(1, v1::TEXT_CHANNEL_THINK, "meanwhile"),
          MapEvent(0, v1::MAP_KIND_DEPTH, v1::MAP_ROLE_DISPLAY,
                   v1::MAP_ENCODING_PNG_RGB8, "d")});
  ASSERT_EQ(transcript.blocks().size(), 2u);
  const auto& map = std::get<MapBlock>(transcript.blocks()[0]);
  EXPECT_EQ(map.steps_done, 1);
  ASSERT_EQ(map.previews.size(), 1u);
  EXPECT_EQ(map.previews[0].png, "p");
  ASSERT_NE(map.Find(v1::MAP_ROLE_DISPLAY), nullptr);
  EXPECT_EQ(map.Find(v1::MAP_ROLE_VALUES), nullptr);
}

TEST(TranscriptTest, ForEyesPrefersDisplayAndNeverRawFloats) {
  MapBlock map;
  EXPECT_EQ(map.ForEyes(), nullptr);
  map.results.push_back(MapEvent(0, v1::MAP_KIND_DEPTH, v1::MAP_ROLE_VALUES,
                                 v1::MAP_ENCODING_RAW_FLOAT32, "ffff")
                            .map());
  EXPECT_EQ(map.ForEyes(), nullptr);
  map.results.push_back(MapEvent(0, v1::MAP_KIND_DEPTH,
                                 v1::MAP_ROLE_AS_SEEN_BY_MODEL,
                                 v1::MAP_ENCODING_PNG_RGB8, "seen")
                            .map());
  EXPECT_EQ(map.ForEyes()->data(), "seen");
  map.results.push_back(MapEvent(0, v1::MAP_KIND_DEPTH, v1::MAP_ROLE_DISPLAY,
                                 v1::MAP_ENCODING_PNG_RGB8, "display")
                            .map());
  EXPECT_EQ(map.ForEyes()->data(), "display");
}

TEST(TranscriptTest, TheAnswerIsTheLastAnswerText) {
  EXPECT_EQ(Of({TextEvent(0, v1::TEXT_CHANNEL_ANSWER, "first"),
                TextEvent(1, v1::TEXT_CHANNEL_ANSWER, " last\n"),
                TextEvent(1, v1::TEXT_CHANNEL_PLAIN, "\n"),
                FinishedEvent("<answer>last</answer>")})
                .Answer(),
            "last");
}

TEST(TranscriptTest, TheServersAnswerTextComesFirst) {
  Event finished = FinishedEvent("<think>a<answer>b</answer>");
  finished.mutable_finished()->set_answer_text("b");
  EXPECT_EQ(
      Of({TextEvent(0, v1::TEXT_CHANNEL_PLAIN, "plain"), finished}).Answer(),
      "b");
}

TEST(TranscriptTest, WithoutAnswerTagsTheAnswerIsPlainTextOrTheServers) {
  EXPECT_EQ(Of({TextEvent(0, v1::TEXT_CHANNEL_PLAIN, "plain")}).Answer(),
            "plain");
  EXPECT_EQ(Of({FinishedEvent("whole")}).Answer(), "whole");
  EXPECT_EQ(Of({StartedEvent()}).Answer(), "");
}

}  // namespace
}  // namespace cooper::client
