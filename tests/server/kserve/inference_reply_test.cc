#include "server/kserve/inference_reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/image/codec.h"

namespace cooper::kserve {
namespace {

using engine::TextChannel;
using engine::TextDeltaEvent;
using inference::ModelInferResponse;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const InferenceModel& Model(const std::string& name) {
  model::ModelInfo info;
  info.name = "fake";
  return *FindInferenceModel(name, "", info).value();
}

// "NAME=raw contents" of every output.
std::vector<std::string> OutputsOf(const ModelInferResponse& response) {
  EXPECT_EQ(response.outputs_size(), response.raw_output_contents_size());
  std::vector<std::string> outputs;
  outputs.reserve(static_cast<size_t>(response.outputs_size()));
  for (int i = 0; i < response.outputs_size(); ++i) {
    outputs.push_back(response.outputs(i).name() + "=" +
                      response.raw_output_contents(i));
  }
  return outputs;
}

// Raw contents of one BYTES element.
std::string Element(const std::string& text) {
  return std::string(1, static_cast<char>(text.size())) + std::string(3, '\0') +
         text;
}

engine::MapEvent Map(model::MapKind kind, engine::MapRole role,
                     std::string data) {
  engine::MapEvent map;
  map.kind = kind;
  map.role = role;
  map.size = {2, 1};
  map.data = std::make_shared<const std::string>(std::move(data));
  return map;
}

engine::FinishedEvent Finished() {
  engine::FinishedEvent end;
  end.answer = "<answer>b.</answer>";
  end.answer_text = "b.";
  end.boxed = "b";
  return end;
}

std::vector<engine::Event> Events() {
  return {engine::StartedEvent{"id", 7},
          TextDeltaEvent{0, TextChannel::kThink, "a"},
          TextDeltaEvent{0, TextChannel::kThink, "b"},
          engine::MapStartedEvent{},
          Map(model::MapKind::kDepth, engine::MapRole::kDisplay, "png"),
          TextDeltaEvent{1, TextChannel::kThink, "c"},
          TextDeltaEvent{1, TextChannel::kAnswer, "d"},
          Finished()};
}

TEST(InferenceReplyTest, CollectsAWholeAnswer) {
  InferenceReply reply(&Model("fake"),
                       {"TEXT", "CHANNEL", "MAP", "MAP_KIND", "ANSWER",
                        "ANSWER_TEXT", "BOXED", "THOUGHTS", "FINISH_REASON"},
                       /*streamed=*/false);
  ModelInferResponse response;
  for (const auto& event : Events()) EXPECT_FALSE(reply.Take(event, &response));
  reply.Finish(&response);
  EXPECT_THAT(
      OutputsOf(response),
      ElementsAre(
          "TEXT=" + Element("ab") + Element("c") + Element("d"),
          "CHANNEL=" + Element("THINK") + Element("THINK") + Element("ANSWER"),
          "MAP=" + Element("png"), "MAP_KIND=" + Element("DEPTH"),
          "ANSWER=" + Element("<answer>b.</answer>"),
          "ANSWER_TEXT=" + Element("b."), "BOXED=" + Element("b"),
          "THOUGHTS=" + Element("ab\nc"),
          "FINISH_REASON=" + Element("ANSWERED")));
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(3));
  EXPECT_EQ(response.outputs(0).datatype(), "BYTES");
  EXPECT_EQ(response.parameters().at("seed").uint64_param(), 7u);
}

TEST(InferenceReplyTest, StreamsPiecesAndMapsAndThenTheRest) {
  InferenceReply reply(&Model("fake"), {"ANSWER", "MAP", "CHANNEL", "TEXT"},
                       /*streamed=*/true);
  std::vector<std::vector<std::string>> sent;
  for (const auto& event : Events()) {
    ModelInferResponse response;
    if (reply.Take(event, &response)) sent.push_back(OutputsOf(response));
  }
  EXPECT_THAT(
      sent,
      ElementsAre(
          ElementsAre("CHANNEL=" + Element("THINK"), "TEXT=" + Element("a")),
          ElementsAre("CHANNEL=" + Element("THINK"), "TEXT=" + Element("b")),
          ElementsAre("MAP=" + Element("png")),
          ElementsAre("CHANNEL=" + Element("THINK"), "TEXT=" + Element("c")),
          ElementsAre("CHANNEL=" + Element("ANSWER"), "TEXT=" + Element("d"))));
  ModelInferResponse last;
  reply.Finish(&last);
  EXPECT_THAT(OutputsOf(last),
              ElementsAre("ANSWER=" + Element("<answer>b.</answer>")));
}

TEST(InferenceReplyTest, StreamsNothingThatIsNotWanted) {
  InferenceReply reply(&Model("fake"), {"MAP_KIND"}, /*streamed=*/true);
  int sent = 0;
  ModelInferResponse response;
  for (const auto& event : Events()) {
    response.Clear();
    sent += reply.Take(event, &response) ? 1 : 0;
  }
  EXPECT_EQ(sent, 1);
  response.Clear();
  reply.Finish(&response);
  EXPECT_THAT(OutputsOf(response), IsEmpty());
}

TEST(InferenceReplyTest, DepthIsATensorOfTheRawBytes) {
  InferenceReply reply(&Model("fake_depth"), {"DISPLAY", "DEPTH"},
                       /*streamed=*/true);
  ModelInferResponse response;
  const auto kind = model::MapKind::kDepth;
  EXPECT_FALSE(
      reply.Take(Map(kind, engine::MapRole::kValues, "01234567"), &response));
  EXPECT_FALSE(
      reply.Take(Map(kind, engine::MapRole::kDisplay, "png"), &response));
  reply.Finish(&response);
  EXPECT_THAT(OutputsOf(response),
              ElementsAre("DISPLAY=" + Element("png"), "DEPTH=01234567"));
  EXPECT_EQ(response.outputs(1).datatype(), "FP32");
  EXPECT_THAT(response.outputs(1).shape(), ElementsAre(1, 2));
}

TEST(InferenceReplyTest, SegmentationIsPixelsAndRegions) {
  engine::MapEvent map = Map(model::MapKind::kSegmentation,
                             engine::MapRole::kValues, "\1\2\3\4\5\6");
  map.regions = {{{1, 2, 3}, 9, 0, 1, 2, 3}};
  InferenceReply reply(&Model("fake_segmentation"), {"SEGMENTATION", "REGIONS"},
                       /*streamed=*/false);
  ModelInferResponse response;
  EXPECT_FALSE(reply.Take(map, &response));
  reply.Finish(&response);
  EXPECT_EQ(response.raw_output_contents(0), "\1\2\3\4\5\6");
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(1, 2, 3));
  EXPECT_EQ(
      response.raw_output_contents(1).substr(4),
      R"([{"area":9,"bottom":3,"colour":66051,"left":0,"right":2,"top":1}])");
}

}  // namespace
}  // namespace cooper::kserve
