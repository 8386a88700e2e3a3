#include "model/checkpoint/config.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/checkpoint/json_fields.h"
#include "model/checkpoint/json_file.h"

namespace cooper::checkpoint {
namespace {

// Upper bounds of widths and counts: they only keep the products of two of
// them within int64, and an absurd file from becoming an absurd allocation.
constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxHeads = 4096;
constexpr int64_t kMaxVocabulary = int64_t{1} << 24;
constexpr int64_t kMaxPositions = int64_t{1} << 40;
constexpr int64_t kMaxSide = 1 << 16;  // px

constexpr Presence kRequired = Presence::kRequired;
constexpr Presence kOptional = Presence::kOptional;

// rope_theta stands at the top, or, in newer HF files, in rope_parameters.
// Any scaling of the frequencies would be silently wrong here: refused.
void ReadRope(JsonFields& fields, double* theta) {
  fields.Double("rope_theta", 1.0, 1e12, theta);
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const nlohmann::json* object = fields.Object(key);
    if (object == nullptr) continue;
    JsonFields nested(*object, absl::StrCat(fields.where(), ": ", key));
    nested.Double("rope_theta", 1.0, 1e12, theta);
    nested.Only("rope_type", "default");
    nested.Only("type", "default");
    fields.Adopt(nested.status());
  }
}

}  // namespace

absl::StatusOr<LlmConfig> ParseLlmConfig(const std::string& json,
                                         const std::string& file) {
  COOPER_ASSIGN_OR_RETURN(const nlohmann::json object,
                          ParseJsonObject(json, file));
  JsonFields fields(object, file);
  LlmConfig config;
  fields.Int("hidden_size", kRequired, 1, kMaxWidth, &config.hidden_size);
  fields.Int("intermediate_size", kRequired, 1, kMaxWidth,
             &config.intermediate_size);
  fields.Int("num_hidden_layers", kRequired, 1, kMaxLayers,
             &config.num_hidden_layers);
  fields.Int("num_attention_heads", kRequired, 1, kMaxHeads,
             &config.num_attention_heads);
  // Absent means plain multi-head attention, as in HF.
  config.num_key_value_heads = config.num_attention_heads;
  fields.Int("num_key_value_heads", kOptional, 1, kMaxHeads,
             &config.num_key_value_heads);
  fields.Int("vocab_size", kRequired, 1, kMaxVocabulary, &config.vocab_size);
  fields.Int("max_position_embeddings", kOptional, 1, kMaxPositions,
             &config.max_position_embeddings);
  fields.Double("rms_norm_eps", 1e-30, 1.0, &config.rms_norm_eps);
  ReadRope(fields, &config.rope_theta);
  fields.Only("hidden_act", "silu");
  fields.Only("use_sliding_window", false);
  COOPER_RETURN_IF_ERROR(fields.status());

  if (config.hidden_size % config.num_attention_heads != 0) {
    fields.Fail(
        "num_attention_heads",
        absl::StrCat("must divide hidden_size (", config.num_attention_heads,
                     ", ", config.hidden_size, ")"));
  } else if (config.head_dim() % 2 != 0) {
    fields.Fail("num_attention_heads",
                absl::StrCat("hidden_size / num_attention_heads must be even, "
                             "not ",
                             config.head_dim()));
  } else if (config.num_attention_heads % config.num_key_value_heads != 0) {
    fields.Fail("num_key_value_heads",
                absl::StrCat("must divide num_attention_heads (",
                             config.num_key_value_heads, ", ",
                             config.num_attention_heads, ")"));
  } else {
    fields.Only("head_dim", config.head_dim());
  }
  COOPER_RETURN_IF_ERROR(fields.status());
  return config;
}

absl::StatusOr<VitConfig> ParseVitConfig(const std::string& json,
                                         const std::string& file) {
  COOPER_ASSIGN_OR_RETURN(const nlohmann::json object,
                          ParseJsonObject(json, file));
  JsonFields fields(object, file);
  VitConfig config;
  fields.Int("hidden_size", kRequired, 1, kMaxWidth, &config.hidden_size);
  fields.Int("intermediate_size", kRequired, 1, kMaxWidth,
             &config.intermediate_size);
  fields.Int("num_attention_heads", kRequired, 1, kMaxHeads,
             &config.num_attention_heads);
  fields.Int("num_hidden_layers", kRequired, 1, kMaxLayers,
             &config.num_hidden_layers);
  fields.Int("patch_size", kOptional, 1, kMaxSide, &config.patch_size);
  fields.Int("image_size", kOptional, 1, kMaxSide, &config.image_size);
  fields.Int("num_channels", kOptional, 3, 3, &config.num_channels);
  fields.Double("layer_norm_eps", 1e-30, 1.0, &config.layer_norm_eps);
  fields.Only("hidden_act", "gelu_pytorch_tanh");
  COOPER_RETURN_IF_ERROR(fields.status());

  if (config.hidden_size % config.num_attention_heads != 0) {
    fields.Fail(
        "num_attention_heads",
        absl::StrCat("must divide hidden_size (", config.num_attention_heads,
                     ", ", config.hidden_size, ")"));
  }
  if (config.image_size < config.patch_size) {
    fields.Fail("image_size",
                absl::StrCat("must not be below patch_size (",
                             config.image_size, ", ", config.patch_size, ")"));
  }
  COOPER_RETURN_IF_ERROR(fields.status());
  return config;
}

}  // namespace cooper::checkpoint
