#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "model/checkpoint/config.h"
#include "model/checkpoint/json_fields.h"
#include "model/checkpoint/json_file.h"

namespace cooper::checkpoint {
namespace {

constexpr Presence kOptional = Presence::kOptional;
constexpr int64_t kMaxSide = 1 << 16;  // px
constexpr int kGroupNormGroups = 32;   // of the autoencoder

// The keys "<prefix>_max_size", "_min_size", "_stride" and "max_pixels".
void ReadImageRule(JsonFields& fields, const std::string& prefix,
                   model::ImageRule* rule) {
  const std::string max_size = prefix + "_max_size";
  const std::string min_size = prefix + "_min_size";
  const std::string stride = prefix + "_stride";
  fields.Int(max_size.c_str(), kOptional, 1, kMaxSide, &rule->max_size);
  fields.Int(min_size.c_str(), kOptional, 1, kMaxSide, &rule->min_size);
  fields.Int(stride.c_str(), kOptional, 1, kMaxSide, &rule->stride);
  fields.Int("max_pixels", kOptional, 1, kMaxSide * kMaxSide,
             &rule->max_pixels);
  if (rule->min_size > rule->max_size) {
    fields.Fail(min_size,
                absl::StrCat("must not be above ", max_size, " (",
                             rule->min_size, " > ", rule->max_size, ")"));
  }
  if (rule->stride > rule->max_size) {
    fields.Fail(stride, absl::StrCat("must not be above ", max_size, " (",
                                     rule->stride, " > ", rule->max_size, ")"));
  }
}

void ReadAutoencoder(JsonFields& fields, CooperConfig* config) {
  fields.Int("ae_ch", kOptional, 1, 1 << 16, &config->ae_ch);
  fields.Ints("ae_ch_mult", /*max_count=*/8, 1, 64, &config->ae_ch_mult);
  fields.Int("ae_num_res_blocks", kOptional, 1, 64, &config->ae_num_res_blocks);
  fields.Int("ae_z_channels", kOptional, 1, 4096, &config->ae_z_channels);
  fields.Int("ae_downsample", kOptional, 1, 128, &config->ae_downsample);
  fields.Double("ae_scale_factor", 1e-9, 1e9, &config->ae_scale_factor);
  fields.Double("ae_shift_factor", -1e9, 1e9, &config->ae_shift_factor);
  if (config->ae_ch % kGroupNormGroups != 0) {
    fields.Fail("ae_ch",
                absl::StrCat("must be a multiple of ", kGroupNormGroups,
                             ", not ", config->ae_ch));
  }
  const int halvings = static_cast<int>(config->ae_ch_mult.size()) - 1;
  if (config->ae_downsample != 1 << halvings) {
    fields.Fail("ae_downsample",
                absl::StrCat("must be ", 1 << halvings, " (ae_ch_mult has ",
                             config->ae_ch_mult.size(), " levels), not ",
                             config->ae_downsample));
  }
}

// What the sizes must be to each other for every image that the rules let
// through to fit the tables.
void CheckGrids(JsonFields& fields, const CooperConfig& config) {
  const int latent_stride = config.latent_patch_size * config.ae_downsample;
  if (config.vae_rule.stride % latent_stride != 0) {
    fields.Fail("vae_stride",
                absl::StrCat("must be a multiple of latent_patch_size * "
                             "ae_downsample (",
                             latent_stride, "), not ", config.vae_rule.stride));
    return;
  }
  // The long edge is max_size rounded to a multiple of the stride.
  const model::ImageRule& rule = config.vae_rule;
  const int longest_px =
      (2 * rule.max_size + rule.stride - 1) / (2 * rule.stride) * rule.stride;
  if (longest_px / latent_stride > config.max_latent_size) {
    fields.Fail("max_latent_size",
                absl::StrCat("must be at least ", longest_px / latent_stride,
                             " for vae_max_size ", rule.max_size, ", not ",
                             config.max_latent_size));
  }
}

void ReadSpecialTokens(JsonFields& fields, CooperConfig* config) {
  const nlohmann::json* object = fields.Object("special_tokens");
  if (object == nullptr) return;
  JsonFields nested(*object, fields.where() + ": special_tokens");
  model::SpecialTokens special;
  constexpr int64_t kMaxId = std::numeric_limits<model::TokenId>::max();
  nested.Int("bos", Presence::kRequired, 0, kMaxId, &special.bos);
  nested.Int("eos", Presence::kRequired, 0, kMaxId, &special.eos);
  nested.Int("soi", Presence::kRequired, 0, kMaxId, &special.soi);
  nested.Int("eoi", Presence::kRequired, 0, kMaxId, &special.eoi);
  nested.RefuseUnknown();
  fields.Adopt(nested.status());
  config->special_tokens = special;
}

void ReadRenorm(JsonFields& fields, model::Renorm* out) {
  std::string name;
  fields.String("cfg_renorm_type", &name);
  if (name == "global") {
    *out = model::Renorm::kGlobal;
  } else if (name == "channel") {
    *out = model::Renorm::kChannel;
  } else if (name == "text_channel") {
    *out = model::Renorm::kTextChannel;
  } else if (!name.empty()) {
    fields.Fail("cfg_renorm_type",
                absl::StrCat("must be global, channel or text_channel, not ",
                             base::Printable(name)));
  }
}

void ReadGeneration(JsonFields& fields, model::GenerationDefaults* out) {
  const nlohmann::json* object = fields.Object("generation");
  if (object == nullptr) return;
  JsonFields nested(*object, fields.where() + ": generation");
  constexpr double kAny = std::numeric_limits<double>::max();
  model::FlowOptions& flow = out->flow;
  nested.Int("num_timesteps", kOptional, std::numeric_limits<int>::min(),
             std::numeric_limits<int>::max(), &flow.num_timesteps);
  nested.Double("timestep_shift", -kAny, kAny, &flow.timestep_shift);
  nested.Double("cfg_text_scale", -kAny, kAny, &flow.cfg_text_scale);
  nested.Double("cfg_img_scale", -kAny, kAny, &flow.cfg_img_scale);
  std::vector<double> interval = {flow.cfg_interval_low,
                                  flow.cfg_interval_high};
  nested.Doubles("cfg_interval", 2, &interval);
  flow.cfg_interval_low = interval[0];
  flow.cfg_interval_high = interval[1];
  nested.Double("cfg_renorm_min", -kAny, kAny, &flow.cfg_renorm_min);
  ReadRenorm(nested, &flow.cfg_renorm_type);
  nested.Int("max_turns", kOptional, 1, 16, &out->max_turns);
  constexpr int kMaxTokens = 1 << 20;
  nested.Int("max_think_tokens", kOptional, 1, kMaxTokens,
             &out->max_think_tokens);
  nested.Int("max_answer_tokens", kOptional, 1, kMaxTokens,
             &out->max_answer_tokens);
  nested.Bool("do_sample", &out->sampling.do_sample);
  nested.Double("text_temperature", -kAny, kAny, &out->sampling.temperature);
  nested.Double("top_p", -kAny, kAny, &out->sampling.top_p);
  nested.RefuseUnknown();
  // The options know their own ranges.
  fields.Adopt(nested.status());
  absl::Status status = flow.Validate();
  if (status.ok()) status = out->sampling.Validate();
  if (!status.ok()) fields.Fail("generation", status.message());
}

void ReadPrompts(JsonFields& fields, model::Prompts* prompts) {
  const nlohmann::json* object = fields.Object("prompts");
  if (object == nullptr) return;
  JsonFields nested(*object, fields.where() + ": prompts");
  nested.String("vlm_think_system_prompt", &prompts->vlm_think_system_prompt);
  nested.String("gen_think_system_prompt", &prompts->gen_think_system_prompt);
  nested.String("interleave_reason_system_prompt",
                &prompts->interleave_reason_system_prompt);
  nested.String("image_reason_system_prompt",
                &prompts->image_reason_system_prompt);
  nested.String("depth_prompt", &prompts->depth_prompt);
  nested.String("segmentation_prompt", &prompts->segmentation_prompt);
  nested.String("reflection_prompt", &prompts->reflection_prompt);
  nested.RefuseUnknown();
  fields.Adopt(nested.status());
}

}  // namespace

absl::StatusOr<CooperConfig> ParseCooperConfig(const std::string& json,
                                               const std::string& file) {
  COOPER_ASSIGN_OR_RETURN(const nlohmann::json object,
                          ParseJsonObject(json, file));
  JsonFields fields(object, file);
  CooperConfig config;
  fields.String("name", &config.name);
  if (config.name.empty() || config.name.size() > 256) {
    fields.Fail("name", "must have 1 to 256 bytes");
  }
  fields.Bool("qk_norm", &config.qk_norm);
  fields.Bool("tie_word_embeddings", &config.tie_word_embeddings);
  fields.Only("layer_module", "Qwen2MoTDecoderLayer");
  fields.Only("vit_rope", false);
  fields.Only("connector_act", "gelu_pytorch_tanh");
  fields.Int("vit_drop_last_layers", kOptional, 0, 1024,
             &config.vit_drop_last_layers);
  fields.Int("vit_max_num_patch_per_side", kOptional, 1, 4096,
             &config.vit_max_num_patch_per_side);
  fields.Int("latent_patch_size", kOptional, 1, 64, &config.latent_patch_size);
  fields.Int("max_latent_size", kOptional, 1, 4096, &config.max_latent_size);
  ReadImageRule(fields, "vae", &config.vae_rule);
  ReadImageRule(fields, "vit", &config.vit_rule);
  ReadAutoencoder(fields, &config);
  CheckGrids(fields, config);
  fields.Int("text_vocab_size", kOptional, 1, int64_t{1} << 24,
             &config.text_vocab_size);
  ReadSpecialTokens(fields, &config);
  ReadGeneration(fields, &config.generation);
  ReadPrompts(fields, &config.prompts);
  fields.Bool("can_converse", &config.can_converse);
  fields.Bool("can_generate_images", &config.can_generate_images);
  // Facts of the demo's training that scripts/evaluate reads.
  fields.RefuseUnknown({"segmentation_palette"});
  COOPER_RETURN_IF_ERROR(fields.status());
  return config;
}

}  // namespace cooper::checkpoint
