#include "model/fake/fake_script.h"

#include <gmock/gmock.h>

#include "model/fake/fake_model.h"
#include "tests/testing/status_matchers.h"

namespace cooper::fake {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(FakeScriptTest, EveryKeyIsRead) {
  ASSERT_OK_AND_ASSIGN(const FakeScript script, FakeScript::FromJson(R"({
    "name": "n", "kv_capacity_tokens": 5, "max_positions": 6,
    "vae_rule": {"max_size": 64, "min_size": 32, "stride": 8, "max_pixels": 9},
    "vit_rule": {"max_size": 28, "min_size": 14, "stride": 7},
    "can_reason": false, "can_generate_maps": false,
    "can_converse": false, "can_generate_images": false, "flow_layers": 3,
    "delays_us": {"append": 1, "prefill_token": 2, "decode": 3,
                  "decode_item": 4, "flow_layer": 5, "latents": 6},
    "scripts": [{"match": "m", "texts": ["a", "b"]}],
    "default": ["d"],
    "faults": [{"call": "denoise_slice", "effect": "throw", "nth": 7},
               {"call": "append", "effect": "item", "match": "x"},
               {"call": "decode", "effect": "out_of_memory", "above": 4}],
    "gpu_memory": {"allocated": 1, "reserved": 2, "free": 3}})"));
  EXPECT_EQ(script.name, "n");
  EXPECT_EQ(script.kv_capacity_tokens, 5);
  EXPECT_EQ(script.max_positions, 6);
  EXPECT_EQ(script.vae_rule.max_size, 64);
  EXPECT_EQ(script.vae_rule.min_size, 32);
  EXPECT_EQ(script.vae_rule.stride, 8);
  EXPECT_EQ(script.vae_rule.max_pixels, 9);
  EXPECT_EQ(script.vit_rule.stride, 7);
  EXPECT_FALSE(script.can_reason);
  EXPECT_FALSE(script.can_generate_maps);
  EXPECT_FALSE(script.can_converse);
  EXPECT_FALSE(script.can_generate_images);
  EXPECT_EQ(script.flow_layers, 3);
  EXPECT_EQ(script.delays.append, absl::Microseconds(1));
  EXPECT_EQ(script.delays.prefill_token, absl::Microseconds(2));
  EXPECT_EQ(script.delays.decode, absl::Microseconds(3));
  EXPECT_EQ(script.delays.decode_item, absl::Microseconds(4));
  EXPECT_EQ(script.delays.flow_layer, absl::Microseconds(5));
  EXPECT_EQ(script.delays.latents, absl::Microseconds(6));
  ASSERT_EQ(script.scripts.size(), 1U);
  EXPECT_EQ(script.scripts[0].match, "m");
  EXPECT_THAT(script.scripts[0].texts, ElementsAre("a", "b"));
  EXPECT_THAT(script.texts, ElementsAre("d"));
  ASSERT_EQ(script.faults.size(), 3U);
  EXPECT_EQ(script.faults[0].call, FakeFault::Call::kDenoiseSlice);
  EXPECT_EQ(script.faults[0].effect, FakeFault::Effect::kThrow);
  EXPECT_EQ(script.faults[0].nth, 7);
  EXPECT_EQ(script.faults[1].effect, FakeFault::Effect::kItem);
  EXPECT_EQ(script.faults[1].match, "x");
  EXPECT_EQ(script.faults[2].effect, FakeFault::Effect::kOutOfMemory);
  EXPECT_EQ(script.faults[2].above, 4);
  ASSERT_TRUE(script.gpu_memory.has_value());
  EXPECT_EQ(script.gpu_memory->allocated_bytes, 1);
  EXPECT_EQ(script.gpu_memory->reserved_bytes, 2);
  EXPECT_EQ(script.gpu_memory->free_bytes, 3);
}

TEST(FakeScriptTest, StallsAndLeaksAreRead) {
  ASSERT_OK_AND_ASSIGN(const FakeScript script, FakeScript::FromJson(R"({
    "faults": [{"call": "decode", "effect": "stall", "stall_us": 5},
               {"call": "append", "effect": "leak", "leak_kib": 6}]})"));
  ASSERT_EQ(script.faults.size(), 2U);
  EXPECT_EQ(script.faults[0].effect, FakeFault::Effect::kStall);
  EXPECT_EQ(script.faults[0].stall, absl::Microseconds(5));
  EXPECT_EQ(script.faults[1].effect, FakeFault::Effect::kLeak);
  EXPECT_EQ(script.faults[1].leak_kib, 6);
}

TEST(FakeScriptTest, AnEmptyObjectIsAModelWithDefaults) {
  ASSERT_OK_AND_ASSIGN(const FakeScript script, FakeScript::FromJson("{}"));
  EXPECT_EQ(script.name, "fake");
  EXPECT_EQ(script.texts.size(), 1U);
}

TEST(FakeScriptTest, AWrongKeyIsNamed) {
  const struct {
    const char* json;
    const char* message;
  } cases[] = {
      {"nonsense", "not valid JSON"},
      {"[]", "must be an object"},
      {R"({"nmae": "x"})", "nmae: unknown key"},
      {R"({"name": 3})", "name: must be a string"},
      {R"({"kv_capacity_tokens": -1})",
       "kv_capacity_tokens: must not be negative"},
      {R"({"kv_capacity_tokens": 1.5})",
       "kv_capacity_tokens: must be an integer"},
      {R"({"vae_rule": {"size": 1}})", "vae_rule.size: unknown key"},
      {R"({"vae_rule": {"stride": 0}})", "must be positive"},
      {R"({"flow_layers": 0})", "flow_layers: must be positive"},
      {R"({"default": []})", "default: must not be empty"},
      {R"({"default": [1]})", "default: must hold strings"},
      {R"({"scripts": [{"match": "x"}]})", "texts must not be empty"},
      {R"({"faults": [{"call": "walk"}]})",
       "faults[0].call: unknown value \"walk\""},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(FakeScript::FromJson(c.json),
                testing::StatusIs(absl::StatusCode::kInvalidArgument,
                                  HasSubstr(c.message)))
        << c.json;
  }
}

TEST(FakeScriptTest, TheSampleLoads) {
  ASSERT_OK_AND_ASSIGN(const auto model,
                       LoadFakeModel(COOPER_TEST_DATA "/fake/script.json"));
  EXPECT_EQ(model->info().name, "fake");
  EXPECT_EQ(model->info().device, "fake");
}

TEST(FakeScriptTest, AMissingFileIsNamed) {
  EXPECT_THAT(LoadFakeModel("/no/such/file"),
              testing::StatusIs(absl::StatusCode::kNotFound,
                                HasSubstr("/no/such/file")));
}

}  // namespace
}  // namespace cooper::fake
