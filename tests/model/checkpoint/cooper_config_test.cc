#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/checkpoint/config.h"
#include "tests/testing/status_matchers.h"

namespace cooper::checkpoint {
namespace {

using ::cooper::testing::StatusIs;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(CooperConfig, DefaultsAreUpstreams) {
  ASSERT_OK_AND_ASSIGN(const CooperConfig config,
                       ParseCooperConfig("{}", "cooper_config.json"));
  EXPECT_TRUE(config.qk_norm);
  EXPECT_FALSE(config.tie_word_embeddings);
  EXPECT_EQ(config.vit_drop_last_layers, 1);
  EXPECT_EQ(config.vae_rule.max_size, 1024);
  EXPECT_EQ(config.vit_rule.max_size, 518);
  EXPECT_EQ(config.vit_rule.max_pixels, 14 * 14 * 9 * 1024);
  EXPECT_EQ(config.ae_ch_mult, (std::vector<int>{1, 2, 4, 4}));
  EXPECT_EQ(config.text_vocab_size, 151665);
  EXPECT_FALSE(config.special_tokens.has_value());
  EXPECT_EQ(config.generation.flow.num_timesteps, 50);
  EXPECT_TRUE(config.can_converse);
  EXPECT_TRUE(config.can_generate_images);
}

TEST(CooperConfig, ReadsEveryKey) {
  const json object = {
      {"name", "small"},
      {"qk_norm", false},
      {"tie_word_embeddings", true},
      {"layer_module", "Qwen2MoTDecoderLayer"},
      {"vit_drop_last_layers", 2},
      {"vit_max_num_patch_per_side", 12},
      {"latent_patch_size", 1},
      {"max_latent_size", 40},
      {"vae_max_size", 128},
      {"vae_min_size", 64},
      {"vae_stride", 8},
      {"vit_max_size", 112},
      {"vit_min_size", 56},
      {"vit_stride", 28},
      {"max_pixels", 12000},
      {"ae_ch", 64},
      {"ae_ch_mult", {1, 2, 3}},
      {"ae_num_res_blocks", 1},
      {"ae_z_channels", 8},
      {"ae_downsample", 4},
      {"ae_scale_factor", 0.5},
      {"ae_shift_factor", -0.25},
      {"text_vocab_size", 823},
      {"can_converse", false},
      {"can_generate_images", false},
      {"special_tokens", {{"bos", 1}, {"eos", 2}, {"soi", 3}, {"eoi", 4}}},
      {"generation",
       {{"num_timesteps", 20},
        {"timestep_shift", 1.5},
        {"cfg_text_scale", 1.25},
        {"cfg_img_scale", 1},
        {"cfg_interval", {0.25, 0.75}},
        {"cfg_renorm_min", 0.5},
        {"cfg_renorm_type", "global"},
        {"max_turns", 2},
        {"max_think_tokens", 160},
        {"max_answer_tokens", 80},
        {"do_sample", true},
        {"text_temperature", 0.3},
        {"top_p", 0.9}}},
      {"prompts", {{"depth_prompt", "draw"}, {"reflection_prompt", ""}}},
  };
  ASSERT_OK_AND_ASSIGN(const CooperConfig config,
                       ParseCooperConfig(object.dump(), "f"));
  EXPECT_EQ(config.name, "small");
  EXPECT_FALSE(config.qk_norm);
  EXPECT_TRUE(config.tie_word_embeddings);
  EXPECT_EQ(config.vit_drop_last_layers, 2);
  EXPECT_EQ(config.vit_max_num_patch_per_side, 12);
  EXPECT_EQ(config.latent_patch_size, 1);
  EXPECT_EQ(config.max_latent_size, 40);
  EXPECT_EQ(config.vae_rule.max_size, 128);
  EXPECT_EQ(config.vae_rule.min_size, 64);
  EXPECT_EQ(config.vae_rule.stride, 8);
  EXPECT_EQ(config.vae_rule.max_pixels, 12000);
  EXPECT_EQ(config.vit_rule.max_size, 112);
  EXPECT_EQ(config.vit_rule.min_size, 56);
  EXPECT_EQ(config.vit_rule.stride, 28);
  EXPECT_EQ(config.vit_rule.max_pixels, 12000);
  EXPECT_EQ(config.ae_ch, 64);
  EXPECT_EQ(config.ae_ch_mult, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(config.ae_num_res_blocks, 1);
  EXPECT_EQ(config.ae_z_channels, 8);
  EXPECT_EQ(config.ae_downsample, 4);
  EXPECT_EQ(config.ae_scale_factor, 0.5);
  EXPECT_EQ(config.ae_shift_factor, -0.25);
  EXPECT_EQ(config.text_vocab_size, 823);
  EXPECT_FALSE(config.can_converse);
  EXPECT_FALSE(config.can_generate_images);
  ASSERT_TRUE(config.special_tokens.has_value());
  EXPECT_EQ(config.special_tokens->bos, 1);
  EXPECT_EQ(config.special_tokens->eos, 2);
  EXPECT_EQ(config.special_tokens->soi, 3);
  EXPECT_EQ(config.special_tokens->eoi, 4);
  const model::GenerationDefaults& generation = config.generation;
  EXPECT_EQ(generation.flow.num_timesteps, 20);
  EXPECT_EQ(generation.flow.timestep_shift, 1.5);
  EXPECT_EQ(generation.flow.cfg_text_scale, 1.25);
  EXPECT_EQ(generation.flow.cfg_img_scale, 1.0);
  EXPECT_EQ(generation.flow.cfg_interval_low, 0.25);
  EXPECT_EQ(generation.flow.cfg_interval_high, 0.75);
  EXPECT_EQ(generation.flow.cfg_renorm_min, 0.5);
  EXPECT_EQ(generation.flow.cfg_renorm_type, model::Renorm::kGlobal);
  EXPECT_EQ(generation.max_turns, 2);
  EXPECT_EQ(generation.max_think_tokens, 160);
  EXPECT_EQ(generation.max_answer_tokens, 80);
  EXPECT_TRUE(generation.sampling.do_sample);
  EXPECT_EQ(generation.sampling.temperature, 0.3);
  EXPECT_EQ(generation.sampling.top_p, 0.9);
  EXPECT_EQ(config.prompts.depth_prompt, "draw");
  EXPECT_EQ(config.prompts.reflection_prompt, "");
  EXPECT_EQ(config.prompts.segmentation_prompt,
            model::Prompts::Cooper().segmentation_prompt);
}

TEST(CooperConfig, NamesFileAndKeyThatIsWrong) {
  struct BadConfig {
    const char* json;
    const char* message;
  };
  for (const BadConfig& bad : {
           BadConfig{R"({"name":""})", "name: must have 1 to 256 bytes"},
           BadConfig{R"({"qk_norm":1})", "qk_norm: must be true or false"},
           BadConfig{R"({"layer_module":"Other"})", "layer_module: only"},
           BadConfig{R"({"vit_rope":true})", "vit_rope: only false"},
           BadConfig{R"({"vit_drop_last_layers":-1})", "vit_drop_last_layers"},
           BadConfig{R"({"latent_patch_size":0})", "latent_patch_size: must"},
           BadConfig{R"({"vae_stride":0})", "vae_stride: must be an integer"},
           BadConfig{R"({"vae_stride":24})",
                     "vae_stride: must be a multiple of latent_patch_size * "
                     "ae_downsample (16), not 24"},
           BadConfig{R"({"vae_min_size":2000})",
                     "vae_min_size: must not be above vae_max_size"},
           BadConfig{R"({"vit_max_size":10})", "vit_min_size: must not be"},
           BadConfig{R"({"max_pixels":0})", "max_pixels: must be"},
           BadConfig{R"({"max_latent_size":63})",
                     "max_latent_size: must be at least 64"},
           BadConfig{R"({"ae_ch":48})", "ae_ch: must be a multiple of 32"},
           BadConfig{R"({"ae_ch_mult":[]})", "ae_ch_mult: must be a list"},
           BadConfig{R"({"ae_ch_mult":[1,0]})", "ae_ch_mult: must be a list"},
           BadConfig{R"({"ae_downsample":4})",
                     "ae_downsample: must be 8 (ae_ch_mult has 4 levels)"},
           BadConfig{R"({"ae_scale_factor":0})", "ae_scale_factor: must be"},
           BadConfig{R"({"text_vocab_size":0})", "text_vocab_size: must be"},
           BadConfig{R"({"special_tokens":{"bos":1}})",
                     "special_tokens: eos: missing"},
           BadConfig{R"({"special_tokens":[1]})",
                     "special_tokens: must be an object"},
           BadConfig{R"({"generation":{"num_timesteps":1}})",
                     "generation: num_timesteps: must be in [2, 1000]"},
           BadConfig{R"({"generation":{"cfg_interval":[0.5]}})",
                     "generation: cfg_interval: must be a list of 2 numbers"},
           BadConfig{R"({"generation":{"cfg_interval":[0.7,0.5]}})",
                     "generation: cfg_interval_low"},
           BadConfig{R"({"generation":{"cfg_renorm_type":"both"}})",
                     "generation: cfg_renorm_type: must be global"},
           BadConfig{R"({"generation":{"top_p":0}})", "generation: top_p"},
           BadConfig{R"({"generation":{"max_turns":17}})",
                     "generation: max_turns: must be"},
           BadConfig{R"({"prompts":{"depth_prompt":1}})",
                     "prompts: depth_prompt: must be a string"},
           BadConfig{R"({"text_vocabulary_size":5})",
                     "text_vocabulary_size: unknown key"},
           BadConfig{R"({"special_tokens":{"bos":1,"eos":2,"soi":3,"eoi":4,)"
                     R"("pad":5}})",
                     "special_tokens: pad: unknown key"},
           BadConfig{R"({"generation":{"seed":1}})",
                     "generation: seed: unknown key"},
           BadConfig{R"({"prompts":{"a\nb":""}})", "a\\x0ab: unknown key"},
           BadConfig{R"({"special_tokens":{"bos":"<|im_start|>","eos":2,)"
                     R"("soi":3,"eoi":4}})",
                     "bos: must be an integer"},
       }) {
    EXPECT_THAT(ParseCooperConfig(bad.json, "d/cooper_config.json"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("d/cooper_config.json: "),
                               HasSubstr(bad.message))))
        << bad.json;
  }
}

}  // namespace
}  // namespace cooper::checkpoint
