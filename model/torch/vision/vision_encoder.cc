#include "model/torch/vision/vision_encoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "model/torch/upload.h"
#include "model/torch/vision/pixels.h"

namespace cooper::torch_model {

VisionEncoder::VisionEncoder(WeightReader& weights,
                             const checkpoint::VitConfig& vit,
                             const checkpoint::CooperConfig& cooper,
                             int64_t hidden_size, const Device& device)
    : device_(device),
      patch_(vit.patch_size),
      heads_(vit.num_attention_heads),
      table_side_(cooper.vit_max_num_patch_per_side),
      eps_(vit.layer_norm_eps) {
  const std::string base = "vit_model.vision_model.";
  const int64_t width = vit.hidden_size;
  const auto linear = [&](const std::string& name, int64_t out, int64_t in) {
    return Linear::Read(weights, {{name, out}}, in, /*bias=*/true);
  };
  const auto vector = [&](const std::string& name) {
    return weights.Take(name, {width});
  };
  patch_embedding_ = linear(base + "embeddings.patch_embedding", width,
                            int64_t{3} * patch_ * patch_);
  position_embedding_ = weights.Take(
      base + "embeddings.position_embedding.weight",
      {int64_t{vit.image_size / patch_} * (vit.image_size / patch_), width});
  for (int i = 0; i < vit.num_hidden_layers - cooper.vit_drop_last_layers;
       ++i) {
    const std::string prefix = absl::StrCat(base, "encoder.layers.", i, ".");
    Layer layer;
    layer.norm1_weight = vector(prefix + "layer_norm1.weight");
    layer.norm1_bias = vector(prefix + "layer_norm1.bias");
    layer.norm2_weight = vector(prefix + "layer_norm2.weight");
    layer.norm2_bias = vector(prefix + "layer_norm2.bias");
    layer.qkv = Linear::Read(weights,
                             {{prefix + "self_attn.q_proj", width},
                              {prefix + "self_attn.k_proj", width},
                              {prefix + "self_attn.v_proj", width}},
                             width, /*bias=*/true);
    layer.out = linear(prefix + "self_attn.out_proj", width, width);
    layer.fc1 = linear(prefix + "mlp.fc1", vit.intermediate_size, width);
    layer.fc2 = linear(prefix + "mlp.fc2", width, vit.intermediate_size);
    layers_.push_back(std::move(layer));
  }
  post_weight_ = vector(base + "post_layernorm.weight");
  post_bias_ = vector(base + "post_layernorm.bias");
  fc1_ = linear("connector.fc1", hidden_size, width);
  fc2_ = linear("connector.fc2", hidden_size, hidden_size);
  const int64_t side = cooper.vit_max_num_patch_per_side;
  pos_embed_ =
      weights.Take("vit_pos_embed.pos_embed", {side * side, hidden_size});
}

at::Tensor VisionEncoder::Patches(const image::RgbImage& image) const {
  const int64_t rows = image.size.height / patch_;
  const int64_t columns = image.size.width / patch_;
  // [3, H, W] -> patches in row order, each (row, column, channel).
  return NormalisedPixels(image)
      .view({3, rows, patch_, columns, patch_})
      .permute({1, 3, 2, 4, 0})
      .reshape({rows * columns, int64_t{3} * patch_ * patch_});
}

std::vector<int64_t> VisionEncoder::Positions(image::Size size) const {
  std::vector<int64_t> positions;
  for (int row = 0; row < size.height / patch_; ++row) {
    for (int column = 0; column < size.width / patch_; ++column) {
      positions.push_back(int64_t{row} * table_side_ + column);
    }
  }
  return positions;
}

at::Tensor VisionEncoder::Norm(const at::Tensor& x, const at::Tensor& weight,
                               const at::Tensor& bias) const {
  return at::layer_norm(x, {x.size(1)}, weight, bias, eps_);
}

at::Tensor VisionEncoder::RunLayer(const Layer& layer, const at::Tensor& x,
                                   const SequenceLengths& images) const {
  const int64_t rows = x.size(0);
  const int64_t width = x.size(1);
  const at::Tensor qkv =
      layer.qkv(Norm(x, layer.norm1_weight, layer.norm1_bias))
          .view({rows, 3, heads_, width / heads_});
  const at::Tensor attended =
      AttendSequences(qkv.select(1, 0), qkv.select(1, 1), qkv.select(1, 2),
                      images)
          .reshape({rows, width});
  const at::Tensor y = x + layer.out(attended);
  return y +
         layer.fc2(at::gelu(
             layer.fc1(Norm(y, layer.norm2_weight, layer.norm2_bias)), "tanh"));
}

at::Tensor VisionEncoder::Connect(const at::Tensor& x) const {
  return fc2_(at::gelu(fc1_(x), "tanh"));
}

void VisionEncoder::Record(absl::string_view stage,
                           const at::Tensor& rows) const {
  if (recorder_ != nullptr) recorder_->OnVisionStage(stage, rows);
}

VisionEncoder::Run VisionEncoder::Start(
    std::vector<const image::RgbImage*> images) const {
  return {this, std::move(images)};
}

at::Tensor VisionEncoder::Encode(
    std::vector<const image::RgbImage*> images) const {
  Run run = Start(std::move(images));
  while (!run.done()) run.RunPart();
  return run.x_;
}

VisionEncoder::Run::Run(const VisionEncoder* encoder,
                        std::vector<const image::RgbImage*> images)
    : encoder_(encoder), images_(std::move(images)) {
  std::vector<at::Tensor> patches;
  for (const image::RgbImage* image : images_) {
    patches.push_back(encoder_->Patches(*image));
    const std::vector<int64_t> own = encoder_->Positions(image->size);
    positions_.insert(positions_.end(), own.begin(), own.end());
    lengths_.push_back(static_cast<int64_t>(own.size()));
  }
  const at::Tensor all = at::cat(patches);
  encoder_->Record("patches", all);
  x_ = Upload(all, encoder_->device_).to(encoder_->device_.dtype);
  Place();
  encoder_->Record("position_ids", ids_);
}

void VisionEncoder::Run::Place() {
  IntegerUpload upload;
  const IntegerUpload::Part positions = upload.Add(positions_);
  const IntegerUpload::Part offsets = upload.Add(Offsets(lengths_));
  upload.Send(encoder_->device_);
  ids_ = upload.Get(positions);
  sequences_ = WholeSequences(lengths_, upload.Get(offsets));
}

void VisionEncoder::Run::RunPart() {
  const VisionEncoder& e = *encoder_;
  const size_t part = next_++;
  if (part == 0) {
    x_ = e.patch_embedding_(x_) + e.position_embedding_.index_select(0, ids_);
    e.Record("embeddings", x_);
  } else if (part <= e.layers_.size()) {
    x_ = e.RunLayer(e.layers_[part - 1], x_, sequences_);
    e.Record("layer", x_);
  } else {
    x_ = e.Norm(x_, e.post_weight_, e.post_bias_);
    e.Record("post_layernorm", x_);
    x_ = e.Connect(x_);
    e.Record("connector", x_);
    x_ = x_ + e.pos_embed_.index_select(0, ids_);
    e.Record("features", x_);
  }
}

std::pair<size_t, int64_t> VisionEncoder::Run::PlaceOf(
    const image::RgbImage* image) const {
  int64_t row = 0;
  for (size_t i = 0; i < images_.size(); ++i) {
    if (images_[i] == image) return {i, row};
    row += lengths_[i];
  }
  return {images_.size(), row};
}

void VisionEncoder::Run::Drop(const image::RgbImage* image) {
  const auto [index, row] = PlaceOf(image);
  if (index == images_.size()) return;
  const int64_t end = row + lengths_[index];
  x_ = at::cat({x_.narrow(0, 0, row), x_.narrow(0, end, x_.size(0) - end)});
  positions_.erase(positions_.begin() + row, positions_.begin() + end);
  const auto at = static_cast<std::ptrdiff_t>(index);
  lengths_.erase(lengths_.begin() + at);
  images_.erase(images_.begin() + at);
  if (!images_.empty()) Place();
}

at::Tensor VisionEncoder::Run::FeaturesOf(const image::RgbImage* image) const {
  const auto [index, row] = PlaceOf(image);
  COOPER_CHECK(done() && index < images_.size());
  return x_.narrow(0, row, lengths_[index]);
}

int64_t VisionEncoder::weight_bytes() const {
  int64_t bytes =
      patch_embedding_.weight_bytes() + fc1_.weight_bytes() +
      fc2_.weight_bytes() +
      static_cast<int64_t>(position_embedding_.nbytes() + pos_embed_.nbytes());
  for (const Layer& layer : layers_) {
    bytes += layer.qkv.weight_bytes() + layer.out.weight_bytes() +
             layer.fc1.weight_bytes() + layer.fc2.weight_bytes();
  }
  return bytes;
}

}  // namespace cooper::torch_model
