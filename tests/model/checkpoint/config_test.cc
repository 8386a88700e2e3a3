#include "model/checkpoint/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/testing/status_matchers.h"

namespace cooper::checkpoint {
namespace {

using ::cooper::testing::StatusIs;
using nlohmann::json;
using ::testing::HasSubstr;

json Llm() {
  return {{"hidden_size", 96},         {"intermediate_size", 176},
          {"num_hidden_layers", 4},    {"num_attention_heads", 4},
          {"num_key_value_heads", 2},  {"vocab_size", 2076},
          {"rope_theta", 1000000.0},   {"rms_norm_eps", 1e-6},
          {"model_type", "of no use"}, {"rope_scaling", nullptr}};
}

json Vit() {
  return {{"hidden_size", 48},        {"intermediate_size", 104},
          {"num_attention_heads", 4}, {"num_hidden_layers", 3},
          {"patch_size", 14},         {"image_size", 168}};
}

struct BadKey {
  const char* key;
  json value;
  const char* message;
};

TEST(LlmConfig, ReadsHfNames) {
  ASSERT_OK_AND_ASSIGN(const LlmConfig config,
                       ParseLlmConfig(Llm().dump(), "llm_config.json"));
  EXPECT_EQ(config.hidden_size, 96);
  EXPECT_EQ(config.intermediate_size, 176);
  EXPECT_EQ(config.num_hidden_layers, 4);
  EXPECT_EQ(config.num_attention_heads, 4);
  EXPECT_EQ(config.num_key_value_heads, 2);
  EXPECT_EQ(config.vocab_size, 2076);
  EXPECT_EQ(config.rope_theta, 1e6);
  EXPECT_EQ(config.rms_norm_eps, 1e-6);
  EXPECT_EQ(config.head_dim(), 24);
}

TEST(LlmConfig, FindsRopeThetaWhereverItStands) {
  json object = Llm();
  object.erase("rope_theta");
  ASSERT_OK_AND_ASSIGN(LlmConfig config, ParseLlmConfig(object.dump(), "f"));
  EXPECT_EQ(config.rope_theta, 1e6);
  object["rope_parameters"] = {{"rope_theta", 5000}, {"rope_type", "default"}};
  ASSERT_OK_AND_ASSIGN(config, ParseLlmConfig(object.dump(), "f"));
  EXPECT_EQ(config.rope_theta, 5000);
}

TEST(LlmConfig, PositionsAreLimitedWhereTheFileSaysSo) {
  json object = Llm();
  ASSERT_OK_AND_ASSIGN(LlmConfig config, ParseLlmConfig(object.dump(), "f"));
  EXPECT_EQ(config.max_position_embeddings, 0);
  object["max_position_embeddings"] = 32768;
  ASSERT_OK_AND_ASSIGN(config, ParseLlmConfig(object.dump(), "f"));
  EXPECT_EQ(config.max_position_embeddings, 32768);
}

TEST(LlmConfig, MayLeaveOutKeyValueHeads) {
  json object = Llm();
  object.erase("num_key_value_heads");
  ASSERT_OK_AND_ASSIGN(const LlmConfig config,
                       ParseLlmConfig(object.dump(), "f"));
  EXPECT_EQ(config.num_key_value_heads, 4);
}

TEST(LlmConfig, NamesFileAndKeyThatIsWrong) {
  for (const BadKey& bad : {
           BadKey{"hidden_size", 0, "hidden_size: must be an integer in [1,"},
           BadKey{"hidden_size", 96.5, "not 96.5"},
           BadKey{"hidden_size", "96", "not \"96\""},
           BadKey{"hidden_size", uint64_t{1} << 63, "hidden_size: must be"},
           BadKey{"intermediate_size", -1, "intermediate_size: must be"},
           BadKey{"num_hidden_layers", 100000, "num_hidden_layers: must be"},
           BadKey{"num_attention_heads", 5,
                  "num_attention_heads: must divide hidden_size (5, 96)"},
           BadKey{"num_attention_heads", 32,
                  "num_attention_heads: hidden_size / num_attention_heads "
                  "must be even, not 3"},
           BadKey{"num_key_value_heads", 3,
                  "num_key_value_heads: must divide num_attention_heads"},
           BadKey{"vocab_size", 1 << 30, "vocab_size: must be"},
           BadKey{"max_position_embeddings", 0,
                  "max_position_embeddings: must be an integer in"},
           BadKey{"rope_theta", 0, "rope_theta: must be a number in"},
           BadKey{"rope_theta", true, "rope_theta: must be a number in"},
           BadKey{"rms_norm_eps", 0, "rms_norm_eps: must be a number in"},
           BadKey{"head_dim", 32, "head_dim: only 24 is supported, not 32"},
           BadKey{"hidden_act", "gelu", "hidden_act: only \"silu\""},
           BadKey{"use_sliding_window", true, "use_sliding_window: only"},
           BadKey{"rope_parameters", 1, "rope_parameters: must be an object"},
           BadKey{"rope_scaling", json{{"rope_type", "yarn"}},
                  "rope_scaling: rope_type: only \"default\""},
       }) {
    json object = Llm();
    object[bad.key] = bad.value;
    EXPECT_THAT(ParseLlmConfig(object.dump(), "dir/llm_config.json"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         ::testing::AllOf(HasSubstr("dir/llm_config.json: "),
                                          HasSubstr(bad.message))))
        << bad.key;
  }
}

TEST(LlmConfig, NamesTheKeyThatIsMissing) {
  for (const char* key :
       {"hidden_size", "intermediate_size", "num_hidden_layers",
        "num_attention_heads", "vocab_size"}) {
    json object = Llm();
    object.erase(key);
    EXPECT_THAT(ParseLlmConfig(object.dump(), "f"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         std::string("f: ") + key + ": missing"));
  }
}

TEST(LlmConfig, RefusesWhatIsNotOneJsonObject) {
  for (const auto& [text, message] :
       std::vector<std::pair<std::string, const char*>>{
           {"", "not JSON"},
           {"[]", "not a JSON object"},
           {"{} {}", "not JSON"},
           {std::string("{}\0", 3), "NUL byte"},
           {"{\"a\":\"\xFF\"}", "not JSON"},
           {R"({"a":1,"b":{"c":1,"c":2}})", "key \"c\" repeated"},
           {std::string(200000, '['), "not JSON"}}) {
    EXPECT_THAT(
        ParseLlmConfig(text, "f"),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  }
}

TEST(VitConfig, ReadsHfNames) {
  ASSERT_OK_AND_ASSIGN(const VitConfig config,
                       ParseVitConfig(Vit().dump(), "vit_config.json"));
  EXPECT_EQ(config.hidden_size, 48);
  EXPECT_EQ(config.intermediate_size, 104);
  EXPECT_EQ(config.num_attention_heads, 4);
  EXPECT_EQ(config.num_hidden_layers, 3);
  EXPECT_EQ(config.patch_size, 14);
  EXPECT_EQ(config.image_size, 168);
  EXPECT_EQ(config.num_channels, 3);
}

TEST(VitConfig, NamesFileAndKeyThatIsWrong) {
  for (const BadKey& bad : {
           BadKey{"hidden_size", 50, "num_attention_heads: must divide"},
           BadKey{"num_hidden_layers", 0, "num_hidden_layers: must be"},
           BadKey{"patch_size", 0, "patch_size: must be an integer in [1,"},
           BadKey{"image_size", 13, "image_size: must not be below"},
           BadKey{"num_channels", 1, "num_channels: must be an integer"},
           BadKey{"layer_norm_eps", -1, "layer_norm_eps: must be"},
           BadKey{"hidden_act", "relu", "hidden_act: only"},
       }) {
    json object = Vit();
    object[bad.key] = bad.value;
    EXPECT_THAT(ParseVitConfig(object.dump(), "vit_config.json"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         ::testing::AllOf(HasSubstr("vit_config.json: "),
                                          HasSubstr(bad.message))))
        << bad.key;
  }
}

}  // namespace
}  // namespace cooper::checkpoint
