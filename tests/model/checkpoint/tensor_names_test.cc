#include "model/checkpoint/tensor_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace cooper::checkpoint {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

const std::set<std::string> kKnown = {
    "language_model.model.norm.weight", "language_model.lm_head.weight",
    "vit_model.vision_model.post_layernorm.bias", "connector.fc1.weight"};

std::optional<std::string> FaultOf(const std::vector<std::string>& unknown) {
  return NamingFault(unknown, 10, [](const std::string& name) {
    return kKnown.count(name) > 0;
  });
}

TEST(NamingFault, NamesThePrefix) {
  struct Row {
    std::vector<std::string> unknown;
    const char* message;
  };
  for (const Row& row :
       {Row{{"module.connector.fc1.weight"}, "begin with \"module.\""},
        Row{{"_orig_mod.connector.fc1.weight"}, "begin with \"_orig_mod.\""},
        Row{{"language_model._orig_mod.lm_head.weight"},
            "contain \"_orig_mod.\""},
        Row{{"module._orig_mod.connector.fc1.weight"},
            "contain names of wrappers"},
        Row{{"model.connector.fc1.weight",
             "model.language_model.lm_head.weight"},
            "begin with \"model.\", as \"model.connector.fc1.weight\" does"},
        Row{{"language_model.language_model.lm_head.weight"},
            "begin with \"language_model.\""},
        Row{{"ema.state.connector.fc1.weight"}, "begin with \"ema.state.\""},
        Row{{"model.norm.weight", "lm_head.weight"},
            "lack \"language_model.\""},
        Row{{"post_layernorm.bias"}, "lack \"vit_model.vision_model.\""}}) {
    EXPECT_THAT(FaultOf(row.unknown), Optional(HasSubstr(row.message)))
        << row.unknown[0];
  }
}

TEST(NamingFault, KnowsAnAdapter) {
  EXPECT_THAT(
      FaultOf({"base_model.model.language_model.model.norm.lora_A.weight",
               "base_model.model.language_model.model.norm.lora_B.weight"}),
      Optional(HasSubstr("adapter")));
}

TEST(NamingFault, NeedsAPatternOfMost) {
  EXPECT_EQ(FaultOf({"other.weight"}), std::nullopt);
  EXPECT_EQ(FaultOf({"a", "b", "c", "module.connector.fc1.weight"}),
            std::nullopt);
}

TEST(FirstOf, SaysHowManyMoreThereAre) {
  EXPECT_EQ(FirstOf({"a", "b"}, 2), "a; b");
  EXPECT_EQ(FirstOf({"a", "b", "c", "d"}, 2), "a; b; and 2 more");
}

}  // namespace
}  // namespace cooper::checkpoint
