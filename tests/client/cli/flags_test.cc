#include "client/cli/flags.h"

#include "absl/flags/reflection.h"
#include "client/cli/args.h"
#include "client/cli/command.h"
#include "client/proto_names.h"
#include "tests/testing/status_matchers.h"

namespace cooper::client {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::HasSubstr;

class FlagsTest : public ::testing::Test {
 protected:
  void Given(const std::vector<std::string>& arguments) {
    ASSERT_OK(ParseArgs(
        arguments, Flags({ConnectionFlags(), OptionFlags<v1::ReasonRequest>(),
                          OptionFlags<v1::GenerateImageRequest>()})));
  }

 private:
  absl::FlagSaver saver_;
};

TEST_F(FlagsTest, WithoutFlagsNoFieldIsSet) {
  v1::ReasonRequest reason;
  v1::EstimateDepthRequest depth;
  v1::SegmentRequest segment;
  v1::GenerateImageRequest generate;
  v1::GetModelRequest model;
  EXPECT_OK(ReadOptions(&reason));
  EXPECT_OK(ReadOptions(&depth));
  EXPECT_OK(ReadOptions(&segment));
  EXPECT_OK(ReadOptions(&generate));
  EXPECT_OK(ReadOptions(&model));
  for (const google::protobuf::Message* request :
       std::initializer_list<const google::protobuf::Message*>{
           &reason, &depth, &segment, &generate, &model}) {
    EXPECT_EQ(request->ByteSizeLong(), 0u) << request->GetTypeName();
  }
}

TEST_F(FlagsTest, AZeroOrFalseThatIsGivenIsSet) {
  Given({"--seed=0", "--nodo_sample", "--cfg_renorm_min=0", "--max_turns=0"});
  v1::ReasonRequest request;
  ASSERT_OK(ReadOptions(&request));
  EXPECT_TRUE(request.has_seed());
  EXPECT_TRUE(request.has_max_turns());
  EXPECT_TRUE(request.sampling().has_do_sample());
  EXPECT_TRUE(request.flow().has_cfg_renorm_min());
  EXPECT_FALSE(request.flow().has_num_timesteps());
  EXPECT_FALSE(request.has_output());
}

// Every option of a request is a flag of its field's name. The fields that are
// no options are named here, so that a new field without a flag fails.
void ExpectAFlagForEachOption(const google::protobuf::Descriptor& type,
                              const FlagNames& flags) {
  for (int i = 0; i < type.field_count(); ++i) {
    const auto& field = *type.field(i);
    if (field.name() == "inputs" || field.name() == "image") continue;
    if (field.message_type() != nullptr) {
      ExpectAFlagForEachOption(*field.message_type(), flags);
    } else {
      EXPECT_THAT(flags, ::testing::Contains(::testing::StrEq(field.name())))
          << type.full_name();
      EXPECT_NE(absl::FindCommandLineFlag(field.name()), nullptr)
          << field.name();
    }
  }
}

TEST_F(FlagsTest, EveryOptionOfARequestIsAFlagOfItsName) {
  ExpectAFlagForEachOption(*v1::ReasonRequest::descriptor(),
                           AskCommand().flags);
  ExpectAFlagForEachOption(*v1::EstimateDepthRequest::descriptor(),
                           DepthCommand().flags);
  ExpectAFlagForEachOption(*v1::SegmentRequest::descriptor(),
                           SegmentCommand().flags);
  ExpectAFlagForEachOption(*v1::GenerateImageRequest::descriptor(),
                           GenerateCommand().flags);
  ExpectAFlagForEachOption(*v1::GetModelRequest::descriptor(),
                           InfoCommand().flags);
}

TEST_F(FlagsTest, EveryFlagReachesItsField) {
  const std::vector<std::string> given = {"--model=demo",
                                          "--request_id=me",
                                          "--seed=18446744073709551615",
                                          "--priority=low",
                                          "--mode=perceive_then_answer",
                                          "--max_turns=2",
                                          "--max_think_tokens=99",
                                          "--do_sample=true",
                                          "--temperature=0.3",
                                          "--top_p=0.9",
                                          "--num_timesteps=20",
                                          "--timestep_shift=1.5",
                                          "--cfg_text_scale=4",
                                          "--cfg_img_scale=2",
                                          "--cfg_interval_low=0.25",
                                          "--cfg_interval_high=1",
                                          "--cfg_renorm_min=0.5",
                                          "--cfg_renorm_type=text_channel",
                                          "--preview_every=3",
                                          "--roles=values,as_seen_by_model",
                                          "--depth_encoding=raw_float32",
                                          "--think=true",
                                          "--width=64",
                                          "--height=96"};
  Given(given);
  v1::ReasonRequest reason;
  v1::GenerateImageRequest generate;
  ASSERT_OK(ReadOptions(&reason));
  ASSERT_OK(ReadOptions(&generate));
  std::vector<std::string> reached;
  for (const auto& facts : {OptionsOf(reason), OptionsOf(generate)}) {
    for (const Fact& fact : facts) {
      reached.push_back("--" + fact.name + "=" + fact.value);
    }
  }
  std::string most_seeds = "--seed=18446744073709551615";
  EXPECT_THAT(reached, ::testing::Contains(most_seeds));
  for (const std::string& flag : given) {
    EXPECT_THAT(reached, ::testing::Contains(flag));
  }
}

TEST_F(FlagsTest, AWrongNameListsTheRightOnes) {
  Given({"--mode=fast"});
  v1::ReasonRequest request;
  EXPECT_THAT(ReadOptions(&request),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "--mode: \"fast\" is none of interleaved, text_only, "
                       "perceive_then_answer"));
}

TEST_F(FlagsTest, OneWrongRoleOfAListIsNamed) {
  Given({"--roles=values,shiny"});
  v1::SegmentRequest request;
  EXPECT_THAT(ReadOptions(&request),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("\"shiny\" is none of values, display")));
}

TEST_F(FlagsTest, ConnectionFlagsFillBothOptions) {
  Given({"--server=box:9", "--deadline=1500ms", "--tls_ca=ca.pem",
         "--connect_timeout=2s", "--auth_token_file=token"});
  ClientOptions client;
  CallOptions call;
  ASSERT_OK(ReadConnection(&client, &call));
  EXPECT_EQ(client.target, "box:9");
  EXPECT_EQ(client.tls_ca_file, "ca.pem");
  EXPECT_EQ(client.auth_token_file, "token");
  EXPECT_EQ(client.connect_timeout, absl::Seconds(2));
  EXPECT_EQ(call.timeout, absl::Milliseconds(1500));
}

TEST_F(FlagsTest, ADeadlineMustBeAboveZero) {
  Given({"--deadline=0s"});
  ClientOptions client;
  CallOptions call;
  EXPECT_THAT(
      ReadConnection(&client, &call),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--deadline")));
}

}  // namespace
}  // namespace cooper::client
