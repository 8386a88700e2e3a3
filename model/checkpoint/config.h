#ifndef COOPER_MODEL_CHECKPOINT_CONFIG_H_
#define COOPER_MODEL_CHECKPOINT_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/options.h"
#include "model/text_codec.h"

// The configuration files of a checkpoint directory (model-spec section 1).
// Parsing checks ranges and that the values fit each other; errors name file
// and key.

namespace cooper::checkpoint {

// llm_config.json (Qwen2, HF names).
struct LlmConfig {
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int num_hidden_layers = 0;
  int num_attention_heads = 0;
  int num_key_value_heads = 0;
  int64_t vocab_size = 0;
  double rope_theta = 1e6;
  double rms_norm_eps = 1e-6;
  int64_t max_position_embeddings = 0;  // 0: not limited
  int64_t head_dim() const { return hidden_size / num_attention_heads; }
};

// vit_config.json (SigLIP vision, HF names).
struct VitConfig {
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int num_attention_heads = 0;
  int num_hidden_layers = 0;  // as in the file; the last ones are dropped
  int patch_size = 14;
  int image_size = 980;
  int num_channels = 3;
  double layer_norm_eps = 1e-6;
};

// cooper_config.json: what upstream's code fixes; every key is optional.
struct CooperConfig {
  std::string name = "cooper";
  bool qk_norm = true;
  bool tie_word_embeddings = false;
  int vit_drop_last_layers = 1;
  int vit_max_num_patch_per_side = 70;
  int latent_patch_size = 2;
  int max_latent_size = 64;
  model::ImageRule vae_rule{1024, 512, 16, int64_t{14} * 14 * 9 * 1024};
  model::ImageRule vit_rule{518, 224, 14, int64_t{14} * 14 * 9 * 1024};
  int ae_ch = 128;
  std::vector<int> ae_ch_mult = {1, 2, 4, 4};
  int ae_num_res_blocks = 2;
  int ae_z_channels = 16;
  int ae_downsample = 8;
  double ae_scale_factor = 0.3611;
  double ae_shift_factor = 0.1159;
  int64_t text_vocab_size = 151665;
  std::optional<model::SpecialTokens> special_tokens;  // else the tokenizer's
  model::Prompts prompts = model::Prompts::Cooper();
  model::GenerationDefaults generation;
  // What the checkpoint was trained for, beside single questions and maps.
  bool can_converse = true;
  bool can_generate_images = true;
};

absl::StatusOr<LlmConfig> ParseLlmConfig(const std::string& json,
                                         const std::string& file);
absl::StatusOr<VitConfig> ParseVitConfig(const std::string& json,
                                         const std::string& file);
absl::StatusOr<CooperConfig> ParseCooperConfig(const std::string& json,
                                               const std::string& file);

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_CONFIG_H_
