#include "client/bench/workload.h"

#include "tests/testing/status_matchers.h"

namespace cooper::client::bench {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::HasSubstr;

absl::StatusOr<std::string> BytesOf(const std::string& path) {
  if (path == "gone.png") return absl::InvalidArgumentError("cannot read it");
  return "bytes of " + path;
}

TEST(ParseMixTest, ReadsKindsAndWeights) {
  ASSERT_OK_AND_ASSIGN(const auto mix, ParseMix("ask=6,depth=0.5,segment"));
  ASSERT_EQ(mix.size(), 3u);
  EXPECT_EQ(mix[0].kind, Kind::kAsk);
  EXPECT_EQ(mix[0].weight, 6);
  EXPECT_EQ(mix[1].kind, Kind::kDepth);
  EXPECT_EQ(mix[1].weight, 0.5);
  EXPECT_EQ(mix[2].kind, Kind::kSegment);
  EXPECT_EQ(mix[2].weight, 1);
}

TEST(ParseMixTest, NamesThePartThatIsWrong) {
  for (const char* bad : {"", "ask,", "aks=1", "ask=", "ask=0", "ask=-1",
                          "ask=x", "ask=inf", "ask=nan", "ask=1,ask=2"}) {
    EXPECT_THAT(ParseMix(bad), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("mix: \"")))
        << bad;
  }
}

TEST(MixedWorkloadTest, EveryKindGoesThroughImagesAndQuestions) {
  ASSERT_OK_AND_ASSIGN(
      const Workload workload,
      MixedWorkload({{Kind::kAsk, 6}, {Kind::kDepth, 3}}, {"a", "b"},
                    {"q0", "q1", "q2"}, RequestOptions()));
  EXPECT_FALSE(workload.in_order);
  ASSERT_EQ(workload.items.size(), 6u);
  double ask = 0;
  for (size_t i = 0; i < 3; ++i) ask += workload.items[i].weight;
  EXPECT_NEAR(ask, 6, 1e-9);
  const auto& third = std::get<v1::ReasonRequest>(workload.items[2].request);
  ASSERT_EQ(third.inputs_size(), 2);
  EXPECT_EQ(third.inputs(0).image(), "a");
  EXPECT_EQ(third.inputs(1).text(), "q2");
  EXPECT_EQ(
      std::get<v1::EstimateDepthRequest>(workload.items[4].request).image(),
      "b");
}

TEST(MixedWorkloadTest, ModesAreThoseOfTheKind) {
  RequestOptions options;
  options.reason.set_max_turns(2);
  options.reason.set_mode(v1::MODE_TEXT_ONLY);
  ASSERT_OK_AND_ASSIGN(
      const Workload workload,
      MixedWorkload(
          {{Kind::kAsk, 1}, {Kind::kTextOnly, 1}, {Kind::kPerceive, 1}}, {},
          {"q"}, options));
  const auto mode = [&](size_t i) {
    const auto& request =
        std::get<v1::ReasonRequest>(workload.items[i].request);
    EXPECT_EQ(request.max_turns(), 2);
    EXPECT_EQ(request.inputs_size(), 1);
    return request.mode();
  };
  EXPECT_EQ(mode(0), v1::MODE_TEXT_ONLY);  // as the options say
  EXPECT_EQ(mode(1), v1::MODE_TEXT_ONLY);
  EXPECT_EQ(mode(2), v1::MODE_PERCEIVE_THEN_ANSWER);
}

TEST(MixedWorkloadTest, AMapNeedsAnImage) {
  EXPECT_THAT(
      MixedWorkload({{Kind::kSegment, 1}}, {}, {"q"}, RequestOptions()),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("segment")));
}

TEST(ParseWorkloadTest, ReadsRequestsInOrderWithTheirOptions) {
  RequestOptions options;
  options.reason.mutable_flow()->set_num_timesteps(10);
  options.reason.mutable_flow()->set_cfg_text_scale(2);
  ASSERT_OK_AND_ASSIGN(
      const Workload workload,
      ParseWorkload("{\"method\": \"perceive\", \"image\": [\"a.png\", "
                    "\"b.png\"], \"question\": \"q\", \"options\": {"
                    "\"seed\": \"7\", \"flow\": {\"num_timesteps\": 3}}}\n"
                    "\n"
                    "{\"method\":\"depth\",\"image\":\"c.png\"}\r\n",
                    options, BytesOf));
  EXPECT_TRUE(workload.in_order);
  ASSERT_EQ(workload.items.size(), 2u);
  const auto& first = std::get<v1::ReasonRequest>(workload.items[0].request);
  ASSERT_EQ(first.inputs_size(), 3);
  EXPECT_EQ(first.inputs(1).image(), "bytes of b.png");
  EXPECT_EQ(first.inputs(2).text(), "q");
  EXPECT_EQ(first.seed(), 7u);
  EXPECT_EQ(first.flow().num_timesteps(), 3);
  EXPECT_EQ(first.flow().cfg_text_scale(), 2);
  EXPECT_EQ(first.mode(), v1::MODE_PERCEIVE_THEN_ANSWER);
  EXPECT_EQ(
      std::get<v1::EstimateDepthRequest>(workload.items[1].request).image(),
      "bytes of c.png");
}

TEST(ParseWorkloadTest, NamesTheLineAndWhatIsWrong) {
  struct Case {
    const char* line;
    const char* told;
  };
  for (const Case& c : std::vector<Case>{
           {"nonsense", "line 2: no JSON object"},
           {"[1]", "line 2: no JSON object"},
           {"{\"question\": \"q\"}", "method is none of ask"},
           {"{\"method\": \"walk\", \"question\": \"q\"}", "method is none"},
           {"{\"method\": \"ask\"}", "no question"},
           {"{\"method\": \"depth\"}", "takes exactly one image"},
           {"{\"method\": \"depth\", \"image\": [\"a\", \"b\"]}",
            "exactly one"},
           {"{\"method\": \"depth\", \"image\": 3}", "neither a path"},
           {"{\"method\": \"depth\", \"image\": \"gone.png\"}", "cannot read"},
           {"{\"method\": \"ask\", \"questoin\": \"q\"}", "\"questoin\""},
           {"{\"method\": \"ask\", \"question\": 3}", "\"question\""},
           {"{\"method\": \"ask\", \"question\": \"q\", \"options\": "
            "{\"no_field\": 1}}",
            "options: "}}) {
    EXPECT_THAT(
        ParseWorkload(
            std::string("{\"method\":\"depth\",\"image\":\"a\"}\n") + c.line,
            RequestOptions(), BytesOf),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.told)))
        << c.line;
  }
  EXPECT_FALSE(ParseWorkload("\n \n", RequestOptions(), BytesOf).ok());
}

}  // namespace
}  // namespace cooper::client::bench
