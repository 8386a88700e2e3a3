#include "model/checkpoint/tensor_list.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace cooper::checkpoint {
namespace {

class List {
 public:
  void Linear(const std::string& name, int64_t out, int64_t in, bool bias) {
    tensors_.push_back({name + ".weight", {out, in}, Filling::kMatrix});
    if (bias) tensors_.push_back({name + ".bias", {out}, Filling::kSmall});
  }
  void Norm(const std::string& name, int64_t size, bool bias) {
    tensors_.push_back({name + ".weight", {size}, Filling::kNearOne});
    if (bias) tensors_.push_back({name + ".bias", {size}, Filling::kSmall});
  }
  void Conv(const std::string& name, int64_t out, int64_t in, int64_t kernel) {
    tensors_.push_back(
        {name + ".weight", {out, in, kernel, kernel}, Filling::kMatrix});
    tensors_.push_back({name + ".bias", {out}, Filling::kSmall});
  }
  void Table(const std::string& name, int64_t rows, int64_t width,
             Filling filling) {
    tensors_.push_back({name, {rows, width}, filling});
  }

  void ResBlock(const std::string& name, int64_t in, int64_t out) {
    Norm(name + ".norm1", in, true);
    Conv(name + ".conv1", out, in, 3);
    Norm(name + ".norm2", out, true);
    Conv(name + ".conv2", out, out, 3);
    if (in != out) Conv(name + ".nin_shortcut", out, in, 1);
  }
  void Middle(const std::string& name, int64_t channels) {
    ResBlock(name + ".block_1", channels, channels);
    Norm(name + ".attn_1.norm", channels, true);
    for (const char* part : {"q", "k", "v", "proj_out"}) {
      Conv(absl::StrCat(name, ".attn_1.", part), channels, channels, 1);
    }
    ResBlock(name + ".block_2", channels, channels);
  }

  // Sorted by name, as the writers of public checkpoints do.
  std::vector<TensorSpec> Take() {
    std::sort(tensors_.begin(), tensors_.end(),
              [](const TensorSpec& a, const TensorSpec& b) {
                return a.name < b.name;
              });
    return std::move(tensors_);
  }

 private:
  std::vector<TensorSpec> tensors_;
};

void AddExpert(const LlmConfig& llm, const CooperConfig& cooper,
               const std::string& prefix, const std::string& suffix,
               List* list) {
  const int64_t hidden = llm.hidden_size;
  const int64_t q = llm.num_attention_heads * llm.head_dim();
  const int64_t kv = llm.num_key_value_heads * llm.head_dim();
  const auto name = [&](const char* part) {
    return absl::StrCat(prefix, part, suffix);
  };
  list->Norm(name("input_layernorm"), hidden, false);
  list->Norm(name("post_attention_layernorm"), hidden, false);
  list->Linear(name("self_attn.q_proj"), q, hidden, true);
  list->Linear(name("self_attn.k_proj"), kv, hidden, true);
  list->Linear(name("self_attn.v_proj"), kv, hidden, true);
  list->Linear(name("self_attn.o_proj"), hidden, q, false);
  if (cooper.qk_norm) {
    list->Norm(name("self_attn.q_norm"), llm.head_dim(), false);
    list->Norm(name("self_attn.k_norm"), llm.head_dim(), false);
  }
  list->Linear(name("mlp") + ".gate_proj", llm.intermediate_size, hidden,
               false);
  list->Linear(name("mlp") + ".up_proj", llm.intermediate_size, hidden, false);
  list->Linear(name("mlp") + ".down_proj", hidden, llm.intermediate_size,
               false);
}

}  // namespace

int64_t TensorSpec::fan_in() const {
  int64_t inputs = 1;
  for (size_t i = 1; i < shape.size(); ++i) inputs *= shape[i];
  return inputs;
}

int64_t TensorSpec::size() const { return shape[0] * fan_in(); }

std::vector<TensorSpec> NetworkTensors(const LlmConfig& llm,
                                       const VitConfig& vit,
                                       const CooperConfig& cooper) {
  List list;
  const int64_t hidden = llm.hidden_size;
  list.Table("language_model.model.embed_tokens.weight", llm.vocab_size, hidden,
             Filling::kMatrix);
  if (!cooper.tie_word_embeddings) {
    list.Linear("language_model.lm_head", llm.vocab_size, hidden, false);
  }
  list.Norm("language_model.model.norm", hidden, false);
  list.Norm("language_model.model.norm_moe_gen", hidden, false);
  for (int i = 0; i < llm.num_hidden_layers; ++i) {
    const std::string prefix =
        absl::StrCat("language_model.model.layers.", i, ".");
    AddExpert(llm, cooper, prefix, "", &list);
    AddExpert(llm, cooper, prefix, "_moe_gen", &list);
  }

  const std::string base = "vit_model.vision_model.";
  const int64_t width = vit.hidden_size;
  const int64_t table = vit.image_size / vit.patch_size;
  list.Linear(base + "embeddings.patch_embedding", width,
              int64_t{3} * vit.patch_size * vit.patch_size, true);
  list.Table(base + "embeddings.position_embedding.weight", table * table,
             width, Filling::kMatrix);
  for (int i = 0; i < vit.num_hidden_layers; ++i) {
    const std::string prefix = absl::StrCat(base, "encoder.layers.", i, ".");
    list.Norm(prefix + "layer_norm1", width, true);
    list.Norm(prefix + "layer_norm2", width, true);
    for (const char* part : {"q", "k", "v", "out"}) {
      list.Linear(absl::StrCat(prefix, "self_attn.", part, "_proj"), width,
                  width, true);
    }
    list.Linear(prefix + "mlp.fc1", vit.intermediate_size, width, true);
    list.Linear(prefix + "mlp.fc2", width, vit.intermediate_size, true);
  }
  list.Norm(base + "post_layernorm", width, true);
  list.Linear("connector.fc1", hidden, width, true);
  list.Linear("connector.fc2", hidden, hidden, true);

  const int64_t latent = int64_t{cooper.latent_patch_size} *
                         cooper.latent_patch_size * cooper.ae_z_channels;
  list.Linear("vae2llm", hidden, latent, true);
  list.Linear("llm2vae", latent, hidden, true);
  list.Linear("time_embedder.mlp.0", hidden, 256, true);
  list.Linear("time_embedder.mlp.2", hidden, hidden, true);
  const int64_t vit_side = cooper.vit_max_num_patch_per_side;
  const int64_t latent_side = cooper.max_latent_size;
  list.Table("vit_pos_embed.pos_embed", vit_side * vit_side, hidden,
             Filling::kPositions);
  list.Table("latent_pos_embed.pos_embed", latent_side * latent_side, hidden,
             Filling::kPositions);
  return list.Take();
}

std::vector<TensorSpec> AutoencoderTensors(const CooperConfig& cooper) {
  List list;
  const int64_t ch = cooper.ae_ch;
  const int levels = static_cast<int>(cooper.ae_ch_mult.size());
  list.Conv("encoder.conv_in", ch, 3, 3);
  int64_t channels = ch;
  for (int i = 0; i < levels; ++i) {
    const std::string name = absl::StrCat("encoder.down.", i);
    const int64_t out = ch * cooper.ae_ch_mult[i];
    for (int b = 0; b < cooper.ae_num_res_blocks; ++b) {
      list.ResBlock(absl::StrCat(name, ".block.", b), channels, out);
      channels = out;
    }
    if (i + 1 < levels) list.Conv(name + ".downsample.conv", out, out, 3);
  }
  list.Middle("encoder.mid", channels);
  list.Norm("encoder.norm_out", channels, true);
  list.Conv("encoder.conv_out", int64_t{2} * cooper.ae_z_channels, channels, 3);

  list.Conv("decoder.conv_in", channels, cooper.ae_z_channels, 3);
  list.Middle("decoder.mid", channels);
  for (int i = levels - 1; i >= 0; --i) {
    const std::string name = absl::StrCat("decoder.up.", i);
    const int64_t out = ch * cooper.ae_ch_mult[i];
    for (int b = 0; b <= cooper.ae_num_res_blocks; ++b) {
      list.ResBlock(absl::StrCat(name, ".block.", b), channels, out);
      channels = out;
    }
    if (i > 0) list.Conv(name + ".upsample.conv", out, out, 3);
  }
  list.Norm("decoder.norm_out", channels, true);
  list.Conv("decoder.conv_out", 3, channels, 3);
  return list.Take();
}

}  // namespace cooper::checkpoint
