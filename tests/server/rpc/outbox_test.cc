#include "server/rpc/outbox.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <variant>

namespace cooper::rpc {
namespace {

using engine::MapEvent;
using engine::MapProgressEvent;
using engine::TextChannel;
using engine::TextDeltaEvent;

MapProgressEvent Step(int map_id, int step,
                      std::optional<std::string> preview = std::nullopt) {
  return MapProgressEvent{map_id, step, 50, std::move(preview)};
}

TEST(OutboxTest, TextOfOneTurnAndChannelIsJoined) {
  Outbox outbox(1000);
  outbox.Push(TextDeltaEvent{0, TextChannel::kThink, "a"});
  outbox.Push(TextDeltaEvent{0, TextChannel::kThink, "b"});
  outbox.Push(TextDeltaEvent{0, TextChannel::kAnswer, "c"});
  outbox.Push(TextDeltaEvent{1, TextChannel::kAnswer, "d"});
  ASSERT_EQ(outbox.size(), 3u);
  EXPECT_EQ(std::get<TextDeltaEvent>(outbox.Pop()).text, "ab");
  EXPECT_EQ(std::get<TextDeltaEvent>(outbox.Pop()).text, "c");
  EXPECT_EQ(std::get<TextDeltaEvent>(outbox.Pop()).text, "d");
  EXPECT_TRUE(outbox.empty());
  EXPECT_EQ(outbox.bytes(), 0);
}

TEST(OutboxTest, TextIsNotJoinedAcrossAnotherEvent) {
  Outbox outbox(1000);
  outbox.Push(TextDeltaEvent{0, TextChannel::kThink, "a"});
  outbox.Push(engine::MapStartedEvent{});
  outbox.Push(TextDeltaEvent{0, TextChannel::kThink, "b"});
  EXPECT_EQ(outbox.size(), 3u);
}

TEST(OutboxTest, ProgressIsReplacedByNewerOfTheSameMap) {
  Outbox outbox(1000);
  outbox.Push(Step(0, 1));
  outbox.Push(Step(0, 2));
  outbox.Push(Step(1, 1));
  ASSERT_EQ(outbox.size(), 2u);
  EXPECT_EQ(std::get<MapProgressEvent>(outbox.Pop()).step, 2);
}

TEST(OutboxTest, OnlyTheNewestPreviewWaits) {
  Outbox outbox(100000);
  outbox.Push(Step(0, 1, "old"));
  outbox.Push(Step(0, 2));
  outbox.Push(Step(0, 3, "new"));
  int previews = 0;
  std::string last;
  while (!outbox.empty()) {
    const auto event = std::get<MapProgressEvent>(outbox.Pop());
    if (event.preview_png.has_value()) {
      ++previews;
      last = *event.preview_png;
    }
  }
  EXPECT_EQ(previews, 1);
  EXPECT_EQ(last, "new");
  EXPECT_EQ(outbox.bytes(), 0);
}

TEST(OutboxTest, AWaitingPreviewIsNotLostToLaterProgress) {
  Outbox outbox(100000);
  outbox.Push(Step(0, 1, "preview"));
  outbox.Push(Step(0, 2));
  outbox.Push(Step(0, 3));
  ASSERT_EQ(outbox.size(), 2u);
  EXPECT_EQ(std::get<MapProgressEvent>(outbox.Pop()).preview_png, "preview");
  EXPECT_EQ(std::get<MapProgressEvent>(outbox.Pop()).step, 3);
}

TEST(OutboxTest, PreviewsThatAreTooLargeAreLeftOut) {
  Outbox outbox(int64_t{1} << 30);
  outbox.Push(Step(0, 1, std::string((256 << 10) + 1, 'x')));
  EXPECT_FALSE(
      std::get<MapProgressEvent>(outbox.Pop()).preview_png.has_value());
  outbox.Push(Step(0, 2, std::string(256 << 10, 'x')));
  EXPECT_TRUE(std::get<MapProgressEvent>(outbox.Pop()).preview_png.has_value());
}

TEST(OutboxTest, PreviewsGoBeforeTheLimitIsPassed) {
  Outbox outbox(1000);
  outbox.Push(Step(0, 1, std::string(2000, 'x')));
  EXPECT_FALSE(outbox.overfull());
  EXPECT_FALSE(
      std::get<MapProgressEvent>(outbox.Pop()).preview_png.has_value());
}

TEST(OutboxTest, IsOverfullOnlyPastItsBytes) {
  Outbox outbox(1000);
  MapEvent map;
  map.data = std::make_shared<const std::string>(900, 'x');
  outbox.Push(map);
  EXPECT_FALSE(outbox.overfull());
  outbox.Push(map);
  EXPECT_TRUE(outbox.overfull());
  outbox.Clear();
  EXPECT_FALSE(outbox.overfull());
  EXPECT_EQ(outbox.bytes(), 0);
}

}  // namespace
}  // namespace cooper::rpc
