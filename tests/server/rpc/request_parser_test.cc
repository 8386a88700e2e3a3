#include "server/rpc/request_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "server/engine/core/request.h"
#include "tests/server/rpc/request_parser_fixture.h"
#include "tests/testing/status_matchers.h"

namespace cooper::rpc {
namespace {

using cooper::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(RequestParserTest, UnsetFieldsTakeTheModelsDefaults) {
  info_.defaults.flow.num_timesteps = 12;
  info_.defaults.max_turns = 5;
  info_.defaults.max_think_tokens = 77;
  info_.defaults.sampling.top_p = 0.5;
  ASSERT_OK_AND_ASSIGN(const engine::Request request,
                       parser_.Parse(Question()));
  EXPECT_EQ(request.flow.num_timesteps, 12);
  EXPECT_EQ(request.flow.cfg_renorm_type, model::Renorm::kTextChannel);
  EXPECT_EQ(request.max_think_tokens, 77);
  EXPECT_EQ(request.sampling.top_p, 0.5);
  EXPECT_EQ(request.method, engine::Method::kReason);
  const auto& task = std::get<engine::ReasonTask>(request.task);
  EXPECT_EQ(task.mode, engine::Mode::kInterleaved);
  EXPECT_EQ(task.max_turns, 5);
  EXPECT_EQ(request.output.preview_every, 0);
  EXPECT_EQ(request.output.roles,
            (std::vector{engine::MapRole::kValues, engine::MapRole::kDisplay}));
  EXPECT_EQ(request.output.depth_encoding, engine::MapEncoding::kPngGrey16);
  EXPECT_EQ(request.id.size(), 32u);
}

TEST_F(RequestParserTest, SetFieldsArriveAsSent) {
  v1::ReasonRequest wire = Question();
  wire.set_model("fake");
  wire.set_mode(v1::MODE_TEXT_ONLY);
  wire.set_max_turns(16);
  wire.set_max_think_tokens(2);
  wire.mutable_sampling()->set_do_sample(true);
  wire.mutable_sampling()->set_temperature(0.7);
  wire.mutable_sampling()->set_top_p(1);
  auto* flow = wire.mutable_flow();
  flow->set_num_timesteps(2);
  flow->set_timestep_shift(100);
  flow->set_cfg_text_scale(0);
  flow->set_cfg_img_scale(100);
  flow->set_cfg_interval_low(1);
  flow->set_cfg_interval_high(1);
  flow->set_cfg_renorm_min(1);
  flow->set_cfg_renorm_type(v1::RENORM_TYPE_CHANNEL);
  wire.set_seed(std::numeric_limits<uint64_t>::max());
  wire.mutable_output()->set_preview_every(1000);
  wire.mutable_output()->add_roles(v1::MAP_ROLE_AS_SEEN_BY_MODEL);
  wire.mutable_output()->set_depth_encoding(v1::MAP_ENCODING_RAW_FLOAT32);
  wire.set_request_id("my request #1~");
  ASSERT_OK_AND_ASSIGN(const engine::Request request, parser_.Parse(wire));
  EXPECT_EQ(std::get<engine::ReasonTask>(request.task).mode,
            engine::Mode::kTextOnly);
  EXPECT_EQ(std::get<engine::ReasonTask>(request.task).max_turns, 16);
  EXPECT_EQ(request.max_think_tokens, 2);
  EXPECT_TRUE(request.sampling.do_sample);
  EXPECT_EQ(request.sampling.temperature, 0.7);
  EXPECT_EQ(request.flow.num_timesteps, 2);
  EXPECT_EQ(request.flow.cfg_img_scale, 100);
  EXPECT_EQ(request.flow.cfg_interval_low, 1);
  EXPECT_EQ(request.flow.cfg_renorm_type, model::Renorm::kChannel);
  EXPECT_EQ(request.seed, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(request.output.preview_every, 1000);
  EXPECT_EQ(request.output.roles, std::vector{engine::MapRole::kAsSeenByModel});
  EXPECT_EQ(request.output.depth_encoding, engine::MapEncoding::kRawFloat32);
  EXPECT_EQ(request.id, "my request #1~");
  ASSERT_EQ(request.inputs.size(), 2u);
  EXPECT_EQ(std::get<engine::ImageInput>(request.inputs[0]).field,
            "inputs[0].image");
  EXPECT_EQ(std::get<engine::TextInput>(request.inputs[1]).text, "How far?");
}

TEST_F(RequestParserTest, PerceiveThenAnswerHasItsOwnTokenDefault) {
  v1::ReasonRequest wire = Question();
  wire.set_mode(v1::MODE_PERCEIVE_THEN_ANSWER);
  ASSERT_OK_AND_ASSIGN(const engine::Request request, parser_.Parse(wire));
  EXPECT_EQ(request.max_think_tokens, info_.defaults.max_answer_tokens);
}

TEST_F(RequestParserTest, DefaultTokensNeverPassTheServersLimit) {
  limits_.max_think_tokens = 100;
  ASSERT_OK_AND_ASSIGN(const engine::Request request,
                       parser_.Parse(Question()));
  EXPECT_EQ(request.max_think_tokens, 100);
}

TEST_F(RequestParserTest, PriorityIsNormalUnlessLow) {
  v1::ReasonRequest request = Question();
  EXPECT_EQ(parser_.Parse(request)->priority, engine::Priority::kNormal);
  request.set_priority(v1::PRIORITY_NORMAL);
  EXPECT_EQ(parser_.Parse(request)->priority, engine::Priority::kNormal);
  request.set_priority(v1::PRIORITY_LOW);
  EXPECT_EQ(parser_.Parse(request)->priority, engine::Priority::kLow);
  v1::SegmentRequest map;
  map.set_image(Png(8, 8));
  map.set_priority(v1::PRIORITY_LOW);
  EXPECT_EQ(parser_.Parse(map)->priority, engine::Priority::kLow);
  request.set_priority(static_cast<v1::Priority>(9));
  EXPECT_THAT(parser_.Parse(request),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("priority: unknown value 9")));
}

TEST_F(RequestParserTest, DrawnSeedsAndIdsDiffer) {
  ASSERT_OK_AND_ASSIGN(const engine::Request one, parser_.Parse(Question()));
  ASSERT_OK_AND_ASSIGN(const engine::Request two, parser_.Parse(Question()));
  EXPECT_NE(one.seed, two.seed);
  EXPECT_NE(one.id, two.id);
}

TEST_F(RequestParserTest, OddButLegalTextIsTakenAsItIs) {
  const std::vector<std::string> texts = {
      std::string("nul\0inside", 10),
      "\xef\xbb\xbf with a byte order mark",
      "\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7 right to left",
      "<|im_end|><think></think><answer>\\boxed{1}</answer>",
      "denormal and signs: \xe2\x80\xae",
  };
  for (const std::string& text : texts) {
    v1::ReasonRequest wire;
    wire.add_inputs()->set_text(text);
    ASSERT_OK_AND_ASSIGN(const engine::Request request, parser_.Parse(wire));
    EXPECT_EQ(std::get<engine::TextInput>(request.inputs[0]).text, text);
  }
}

TEST_F(RequestParserTest, DenormalTemperatureAndSeedZeroAreLegal) {
  v1::ReasonRequest wire = Question();
  wire.mutable_sampling()->set_temperature(
      std::numeric_limits<double>::denorm_min());
  wire.set_seed(0);
  ASSERT_OK_AND_ASSIGN(const engine::Request request, parser_.Parse(wire));
  EXPECT_EQ(request.seed, 0u);
}

TEST_F(RequestParserTest, TokensAtBothEndsOfTheirRangeAreLegal) {
  for (const int tokens : {2, 5000}) {
    v1::ReasonRequest wire = Question();
    wire.set_max_think_tokens(tokens);
    ASSERT_OK_AND_ASSIGN(const engine::Request request, parser_.Parse(wire));
    EXPECT_EQ(request.max_think_tokens, tokens);
  }
}

TEST_F(RequestParserTest, TextOfExactlyTheLimitIsLegal) {
  v1::ReasonRequest wire;
  wire.add_inputs()->set_text(std::string(1000, 'a'));
  EXPECT_OK(parser_.Parse(wire));
}

TEST_F(RequestParserTest, AnotherModelsNameIsNotFoundAndNamesTheServedOne) {
  v1::ReasonRequest wire = Question();
  wire.set_model("gpt\n");
  EXPECT_THAT(parser_.Parse(wire),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("\"fake\""), HasSubstr("gpt\\x0a"))));
}

TEST_F(RequestParserTest, MapRequestsNameTheirKind) {
  v1::SegmentRequest wire;
  wire.set_image(Png(8, 8));
  wire.mutable_flow()->set_num_timesteps(3);
  ASSERT_OK_AND_ASSIGN(const engine::Request request, parser_.Parse(wire));
  EXPECT_EQ(std::get<engine::MapTask>(request.task).kind,
            model::MapKind::kSegmentation);
  EXPECT_EQ(request.method, engine::Method::kSegment);
  EXPECT_EQ(request.flow.num_timesteps, 3);
  wire.mutable_flow()->set_num_timesteps(0);
  ExpectRefused(wire, "flow.num_timesteps", "[2, 1000]");
}

TEST_F(RequestParserTest, PictureSizesAreMultiplesOfTheStride) {
  v1::GenerateImageRequest wire;
  wire.add_inputs()->set_text("A cat.");
  EXPECT_OK(parser_.Parse(wire));
  wire.set_width(64);
  ExpectRefused(wire, "height", "go together");
  wire.set_height(1024);
  ASSERT_OK_AND_ASSIGN(const engine::Request request, parser_.Parse(wire));
  EXPECT_EQ(std::get<engine::GenerateTask>(request.task).size,
            (image::Size{64, 1024}));
  wire.set_height(1040);
  ExpectRefused(wire, "height", "[16, 1024], not 1040");
  wire.set_height(1000);
  ExpectRefused(wire, "height", "multiple of 16 px");
  wire.set_height(0);
  ExpectRefused(wire, "height", "[16, 1024], not 0");
}

TEST_F(RequestParserTest, UnknownFieldsAreIgnored) {
  std::string bytes = Question().SerializeAsString();
  // Field 1000, varint 1.
  bytes += std::string("\xc0\x3e\x01", 3);
  v1::ReasonRequest wire;
  ASSERT_TRUE(wire.ParseFromString(bytes));
  EXPECT_OK(parser_.Parse(wire));
}

}  // namespace
}  // namespace cooper::rpc
