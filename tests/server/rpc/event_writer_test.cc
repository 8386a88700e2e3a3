#include "server/rpc/event_writer.h"

#include <gtest/gtest.h>

#include <string>

namespace cooper::rpc {
namespace {

v1::Event Only(engine::Event event) {
  EventWriter writer(std::move(event), "fake");
  v1::Event response;
  EXPECT_TRUE(writer.Next(&response));
  v1::Event none;
  EXPECT_FALSE(writer.Next(&none));
  return response;
}

TEST(EventWriterTest, StartedTellsTheModelsName) {
  const auto response = Only(engine::StartedEvent{"id", 7});
  EXPECT_EQ(response.started().request_id(), "id");
  EXPECT_EQ(response.started().seed(), 7u);
  EXPECT_EQ(response.started().model(), "fake");
}

TEST(EventWriterTest, TextCarriesTurnAndChannel) {
  const auto response =
      Only(engine::TextDeltaEvent{2, engine::TextChannel::kAnswer, "yes"});
  EXPECT_EQ(response.text_delta().turn(), 2);
  EXPECT_EQ(response.text_delta().channel(), v1::TEXT_CHANNEL_ANSWER);
  EXPECT_EQ(response.text_delta().text(), "yes");
}

TEST(EventWriterTest, MapStartAndProgressAreCopied) {
  const auto started = Only(engine::MapStartedEvent{
      1, model::MapKind::kDepth, {64, 32}, 49, "the depth"});
  EXPECT_EQ(started.map_started().width(), 64);
  EXPECT_EQ(started.map_started().height(), 32);
  EXPECT_EQ(started.map_started().num_steps(), 49);
  EXPECT_EQ(started.map_started().request_text(), "the depth");
  const auto step = Only(engine::MapProgressEvent{1, 3, 49, std::nullopt});
  EXPECT_EQ(step.map_progress().step(), 3);
  EXPECT_FALSE(step.map_progress().has_preview());
  const auto preview = Only(engine::MapProgressEvent{1, 3, 49, "png"});
  EXPECT_EQ(preview.map_progress().preview(), "png");
}

TEST(EventWriterTest, SmallMapIsOneMessage) {
  engine::MapEvent map;
  map.kind = model::MapKind::kSegmentation;
  map.role = engine::MapRole::kDisplay;
  map.encoding = engine::MapEncoding::kPngRgb8;
  map.size = {4, 2};
  map.data = std::make_shared<const std::string>("bytes");
  map.regions.push_back({{0x12, 0x34, 0x56}, 8, 0, 0, 4, 2});
  const auto response = Only(map);
  EXPECT_EQ(response.map().data(), "bytes");
  EXPECT_EQ(response.map().offset_bytes(), 0);
  EXPECT_EQ(response.map().total_bytes(), 5);
  EXPECT_EQ(response.map().role(), v1::MAP_ROLE_DISPLAY);
  EXPECT_EQ(response.map().encoding(), v1::MAP_ENCODING_PNG_RGB8);
  ASSERT_EQ(response.map().regions_size(), 1);
  EXPECT_EQ(response.map().regions(0).colour(), 0x123456u);
  EXPECT_EQ(response.map().regions(0).right(), 4);
}

TEST(EventWriterTest, LargeMapIsCutIntoPartsThatJoin) {
  std::string data(static_cast<size_t>(kMaxMapPartBytes) * 2 + 10, '\0');
  for (size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<char>(i * 31 >> 3);
  }
  engine::MapEvent map;
  map.data = std::make_shared<const std::string>(data);
  map.regions.resize(1);
  EventWriter writer(map, "fake");
  std::string joined;
  int parts = 0;
  v1::Event response;
  while (writer.Next(&response)) {
    EXPECT_LT(response.ByteSizeLong(), size_t{4} << 20);
    EXPECT_EQ(response.map().offset_bytes(),
              static_cast<int64_t>(joined.size()));
    EXPECT_EQ(response.map().total_bytes(), static_cast<int64_t>(data.size()));
    EXPECT_EQ(response.map().regions_size(), parts == 0 ? 1 : 0);
    joined += response.map().data();
    ++parts;
  }
  EXPECT_EQ(parts, 3);
  EXPECT_TRUE(joined == data);
}

TEST(EventWriterTest, MapOfExactlyTheLimitIsOneMessage) {
  engine::MapEvent map;
  map.data = std::make_shared<const std::string>("12345678");
  EventWriter writer(map, "fake", /*max_part_bytes=*/8);
  v1::Event response;
  EXPECT_TRUE(writer.Next(&response));
  EXPECT_FALSE(writer.Next(&response));
}

TEST(EventWriterTest, FinishedCarriesAnswerAndUsageInMilliseconds) {
  engine::FinishedEvent end;
  end.reason = engine::FinishReason::kMaxTurns;
  end.answer = "<answer>42</answer>";
  end.answer_text = "42";
  end.boxed = "";
  end.usage.output_tokens = 9;
  end.usage.decode = absl::Microseconds(1500);
  const auto response = Only(end);
  EXPECT_EQ(response.finished().reason(), v1::FINISH_REASON_MAX_TURNS);
  EXPECT_EQ(response.finished().answer(), "<answer>42</answer>");
  EXPECT_EQ(response.finished().answer_text(), "42");
  EXPECT_TRUE(response.finished().has_boxed());
  EXPECT_EQ(response.finished().usage().output_tokens(), 9);
  EXPECT_EQ(response.finished().usage().decode_ms(), 1.5);
  end.boxed.reset();
  EXPECT_FALSE(Only(end).finished().has_boxed());
}

}  // namespace
}  // namespace cooper::rpc
