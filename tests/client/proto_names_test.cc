#include "client/proto_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cooper/v1/spatial_reasoning.pb.h"

namespace cooper::client {
namespace {

using ::testing::ElementsAre;
using ::testing::FieldsAre;

TEST(ProtoNamesTest, ShortNamesLoseTheirPrefix) {
  EXPECT_EQ(ShortName(v1::MAP_ROLE_AS_SEEN_BY_MODEL), "as_seen_by_model");
  EXPECT_EQ(ShortName(v1::MODE_INTERLEAVED), "interleaved");
  EXPECT_EQ(ShortName(static_cast<v1::Mode>(99)), "99");
}

TEST(ProtoNamesTest, ValuesAreFoundByShortNameButTheUnspecifiedOneIsNot) {
  const auto& type = *v1::RenormType_descriptor();
  EXPECT_EQ(ValueOf(type, "text_channel"), v1::RENORM_TYPE_TEXT_CHANNEL);
  EXPECT_EQ(ValueOf(type, "GLOBAL"), v1::RENORM_TYPE_GLOBAL);
  EXPECT_EQ(ValueOf(type, "unspecified"), std::nullopt);
  EXPECT_EQ(ValueOf(type, ""), std::nullopt);
  EXPECT_THAT(ShortNames(type),
              ElementsAre("global", "channel", "text_channel"));
}

TEST(ProtoNamesTest, OptionsAreTheSetFieldsWithoutInputs) {
  v1::ReasonRequest request;
  request.add_inputs()->set_text("not an option");
  request.set_max_turns(0);
  request.set_seed(7);
  request.set_mode(v1::MODE_TEXT_ONLY);
  request.mutable_sampling()->set_do_sample(false);
  request.mutable_flow()->set_cfg_text_scale(1.5);
  request.mutable_output()->add_roles(v1::MAP_ROLE_VALUES);
  request.mutable_output()->add_roles(v1::MAP_ROLE_DISPLAY);
  EXPECT_THAT(
      OptionsOf(request),
      ElementsAre(FieldsAre("mode", "text_only"), FieldsAre("max_turns", "0"),
                  FieldsAre("do_sample", "false"),
                  FieldsAre("cfg_text_scale", "1.5"), FieldsAre("seed", "7"),
                  FieldsAre("roles", "values,display")));
}

TEST(ProtoNamesTest, AllFieldsIncludeThoseThatAreNotSet) {
  v1::SamplingOptions sampling;
  sampling.set_top_p(0.5);
  EXPECT_THAT(
      AllFieldsOf(sampling),
      ElementsAre(FieldsAre("do_sample", "false"),
                  FieldsAre("temperature", "0"), FieldsAre("top_p", "0.5")));
}

}  // namespace
}  // namespace cooper::client
