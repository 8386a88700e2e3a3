#include "model/torch/vision/autoencoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/torch/group_norm.h"
#include "model/torch/upload.h"

namespace cooper::torch_model {
namespace {

constexpr int64_t kGroups = 32;
constexpr double kNormEps = 1e-6;

// 3x3 kernels keep the size; those with a stride bring their own padding.
at::Tensor ConvOf(const at::Tensor& x, const at::Tensor& weight,
                  const at::Tensor& bias, int64_t stride = 1) {
  const int64_t padding = stride == 1 ? weight.size(2) / 2 : 0;
  return at::conv2d(x, weight, bias, stride, padding);
}

// Attention of one head of `channels`, [pixels, channels] each. On a GPU in
// bfloat16 such a head is too wide for the fused kernels, and libtorch computes
// all of it in float32; here the scores are, and the products are not.
at::Tensor AttendPixels(const at::Tensor& query, const at::Tensor& keys,
                        const at::Tensor& values) {
  constexpr int64_t kRows = 4096;  // bounds the memory of the scores
  if (!query.is_cuda() || query.scalar_type() != at::kBFloat16) {
    const auto head = [](const at::Tensor& x) {
      return x.view({1, 1, x.size(0), x.size(1)});
    };
    return at::scaled_dot_product_attention(head(query), head(keys),
                                            head(values));
  }
  const double scale = 1.0 / std::sqrt(static_cast<double>(query.size(1)));
  at::Tensor out = at::empty_like(query);
  for (int64_t begin = 0; begin < query.size(0); begin += kRows) {
    const int64_t count = std::min(kRows, query.size(0) - begin);
    const at::Tensor scores =
        at::mm(query.narrow(0, begin, count), keys.t(), at::kFloat).mul_(scale);
    out.narrow(0, begin, count)
        .copy_(at::mm(scores.softmax(-1).to(query.scalar_type()), values));
  }
  return out;
}

}  // namespace

Autoencoder::Autoencoder(WeightReader& weights,
                         const checkpoint::CooperConfig& config,
                         const Device& device)
    : weights_(&weights),
      device_(device),
      z_(config.ae_z_channels),
      stride_(config.ae_downsample),
      patch_(config.latent_patch_size),
      scale_(config.ae_scale_factor),
      shift_(config.ae_shift_factor) {
  ReadEncoder(config);
  ReadDecoder(config);
  weights_ = nullptr;
  encoder_parts_ = EncoderParts(encoder_);
  decoder_parts_ = DecoderParts(decoder_);
}

Autoencoder::Conv Autoencoder::ReadConv(const std::string& name, int64_t out,
                                        int64_t in, int64_t kernel) {
  Conv conv;
  conv.weight = weights_->Take(name + ".weight", {out, in, kernel, kernel})
                    .contiguous(at::MemoryFormat::ChannelsLast);
  conv.bias = weights_->Take(name + ".bias", {out});
  weight_bytes_ += static_cast<int64_t>(conv.weight.nbytes());
  return conv;
}

Autoencoder::GroupNormWeights Autoencoder::ReadNorm(const std::string& name,
                                                    int64_t channels) {
  return {weights_->Take(name + ".weight", {channels}),
          weights_->Take(name + ".bias", {channels})};
}

Autoencoder::ResBlock Autoencoder::ReadBlock(const std::string& name,
                                             int64_t in, int64_t out) {
  ResBlock block;
  block.norm1 = ReadNorm(name + ".norm1", in);
  block.conv1 = ReadConv(name + ".conv1", out, in, 3);
  block.norm2 = ReadNorm(name + ".norm2", out);
  block.conv2 = ReadConv(name + ".conv2", out, out, 3);
  if (in != out) block.shortcut = ReadConv(name + ".nin_shortcut", out, in, 1);
  return block;
}

Autoencoder::Middle Autoencoder::ReadMiddle(const std::string& name,
                                            int64_t channels) {
  Middle middle;
  middle.block1 = ReadBlock(name + ".block_1", channels, channels);
  middle.block2 = ReadBlock(name + ".block_2", channels, channels);
  middle.attention.norm = ReadNorm(name + ".attn_1.norm", channels);
  middle.attention.q = ReadConv(name + ".attn_1.q", channels, channels, 1);
  middle.attention.k = ReadConv(name + ".attn_1.k", channels, channels, 1);
  middle.attention.v = ReadConv(name + ".attn_1.v", channels, channels, 1);
  middle.attention.out =
      ReadConv(name + ".attn_1.proj_out", channels, channels, 1);
  return middle;
}

void Autoencoder::ReadEncoder(const checkpoint::CooperConfig& config) {
  const int64_t ch = config.ae_ch;
  const size_t levels = config.ae_ch_mult.size();
  encoder_.in = ReadConv("encoder.conv_in", ch, 3, 3);
  int64_t channels = ch;
  for (size_t i = 0; i < levels; ++i) {
    const std::string name = absl::StrCat("encoder.down.", i);
    const int64_t out = ch * config.ae_ch_mult[i];
    Level level;
    for (int b = 0; b < config.ae_num_res_blocks; ++b) {
      level.blocks.push_back(
          ReadBlock(absl::StrCat(name, ".block.", b), channels, out));
      channels = out;
    }
    if (i + 1 < levels) {
      level.resample = ReadConv(name + ".downsample.conv", out, out, 3);
    }
    encoder_.levels.push_back(std::move(level));
  }
  encoder_.middle = ReadMiddle("encoder.mid", channels);
  encoder_.norm_out = ReadNorm("encoder.norm_out", channels);
  encoder_.out = ReadConv("encoder.conv_out", 2 * z_, channels, 3);
}

void Autoencoder::ReadDecoder(const checkpoint::CooperConfig& config) {
  const int64_t ch = config.ae_ch;
  const size_t levels = config.ae_ch_mult.size();
  int64_t channels = ch * config.ae_ch_mult.back();
  decoder_.in = ReadConv("decoder.conv_in", channels, z_, 3);
  decoder_.middle = ReadMiddle("decoder.mid", channels);
  for (size_t i = levels; i-- > 0;) {
    const std::string name = absl::StrCat("decoder.up.", i);
    const int64_t out = ch * config.ae_ch_mult[i];
    Level level;
    for (int b = 0; b <= config.ae_num_res_blocks; ++b) {
      level.blocks.push_back(
          ReadBlock(absl::StrCat(name, ".block.", b), channels, out));
      channels = out;
    }
    if (i > 0) level.resample = ReadConv(name + ".upsample.conv", out, out, 3);
    decoder_.levels.push_back(std::move(level));
  }
  decoder_.norm_out = ReadNorm("decoder.norm_out", channels);
  decoder_.out = ReadConv("decoder.conv_out", 3, channels, 3);
}

void Autoencoder::AddBlock(const ResBlock& block, std::vector<Part>* parts) {
  parts->push_back([this, &block](State* state) {
    state->h = UnbiasedConv(
        NormOf(block.norm1, {state->x, at::Tensor()}, /*silu=*/true),
        block.conv1);
  });
  parts->push_back([this, &block](State* state) {
    const Unbiased h = UnbiasedConv(
        NormOf(block.norm2, std::exchange(state->h, Unbiased()), /*silu=*/true),
        block.conv2);
    state->x = AddBias(
        device_, h,
        block.shortcut.weight.defined()
            ? ConvOf(state->x, block.shortcut.weight, block.shortcut.bias)
            : state->x);
  });
}

Unbiased Autoencoder::UnbiasedConv(const at::Tensor& x,
                                   const Conv& conv) const {
  // Elsewhere a convolution adds its bias at no cost.
  if (device_.launcher == nullptr) {
    return {ConvOf(x, conv.weight, conv.bias), at::Tensor()};
  }
  return {ConvOf(x, conv.weight, at::Tensor()), conv.bias};
}

at::Tensor Autoencoder::NormOf(const GroupNormWeights& norm, const Unbiased& x,
                               bool silu) const {
  return GroupNorm(device_, x, kGroups, norm.weight, norm.bias, kNormEps, silu);
}

at::Tensor Autoencoder::Attend(const AttentionBlock& block,
                               const at::Tensor& x) const {
  const int64_t channels = x.size(1);
  const int64_t height = x.size(2);
  const int64_t width = x.size(3);
  const at::Tensor h = NormOf(block.norm, {x, at::Tensor()}, /*silu=*/false);
  const auto rows = [&](const Conv& conv) {
    return ConvOf(h, conv.weight, conv.bias)
        .permute({0, 2, 3, 1})
        .reshape({height * width, channels});
  };
  const at::Tensor attended =
      AttendPixels(rows(block.q), rows(block.k), rows(block.v))
          .view({1, height, width, channels})
          .permute({0, 3, 1, 2});
  return x + ConvOf(attended, block.out.weight, block.out.bias);
}

void Autoencoder::AddMiddle(const Middle& middle, std::vector<Part>* parts) {
  AddBlock(middle.block1, parts);
  parts->push_back([this, &middle](State* state) {
    state->x = Attend(middle.attention, state->x);
  });
  AddBlock(middle.block2, parts);
}

void Autoencoder::AddEnd(const Half& half, std::vector<Part>* parts) {
  parts->push_back([this, &half](State* state) {
    const at::Tensor h =
        NormOf(half.norm_out, {state->x, at::Tensor()}, /*silu=*/true);
    state->x =
        ConvOf(h, half.out.weight, half.out.bias).squeeze(0).contiguous();
  });
}

std::vector<Autoencoder::Part> Autoencoder::EncoderParts(const Half& half) {
  std::vector<Part> parts;
  parts.push_back([&half](State* state) {
    state->x = ConvOf(state->x, half.in.weight, half.in.bias);
  });
  for (const Level& level : half.levels) {
    for (const ResBlock& block : level.blocks) AddBlock(block, &parts);
    if (!level.resample.weight.defined()) continue;
    parts.push_back([&level](State* state) {
      state->x =
          ConvOf(at::constant_pad_nd(state->x, {0, 1, 0, 1}),
                 level.resample.weight, level.resample.bias, /*stride=*/2);
    });
  }
  AddMiddle(half.middle, &parts);
  AddEnd(half, &parts);
  return parts;
}

std::vector<Autoencoder::Part> Autoencoder::DecoderParts(const Half& half) {
  std::vector<Part> parts;
  parts.push_back([&half](State* state) {
    state->x = ConvOf(state->x, half.in.weight, half.in.bias);
  });
  AddMiddle(half.middle, &parts);
  for (const Level& level : half.levels) {
    for (const ResBlock& block : level.blocks) AddBlock(block, &parts);
    if (!level.resample.weight.defined()) continue;
    parts.push_back([&level](State* state) {
      const at::Tensor& x = state->x;
      state->x =
          ConvOf(at::upsample_nearest2d(x, {x.size(2) * 2, x.size(3) * 2}),
                 level.resample.weight, level.resample.bias);
    });
  }
  AddEnd(half, &parts);
  return parts;
}

Autoencoder::Run Autoencoder::StartMoments(const at::Tensor& pixels) const {
  return {&encoder_parts_, Upload(pixels, device_)
                               .to(device_.dtype)
                               .unsqueeze(0)
                               .contiguous(at::MemoryFormat::ChannelsLast)};
}

Autoencoder::Run Autoencoder::StartDecode(const at::Tensor& latent) const {
  return {&decoder_parts_,
          (latent.to(device_.device, at::kFloat) / scale_ + shift_)
              .to(device_.dtype)
              .unsqueeze(0)
              .contiguous(at::MemoryFormat::ChannelsLast)};
}

at::Tensor Autoencoder::RunAll(Run run) {
  while (!run.done()) run.RunPart();
  return run.Take();
}

at::Tensor Autoencoder::Moments(const at::Tensor& pixels) const {
  return RunAll(StartMoments(pixels));
}

at::Tensor Autoencoder::Decode(const at::Tensor& latent) const {
  return RunAll(StartDecode(latent));
}

at::Tensor Autoencoder::Sample(const at::Tensor& moments,
                               const at::Tensor& noise) const {
  const at::Tensor mean = moments.narrow(0, 0, z_);
  const at::Tensor logvar = moments.narrow(0, z_, z_);
  const at::Tensor sample =
      mean + at::exp(logvar * 0.5) * Upload(noise, device_).to(device_.dtype);
  return (sample - shift_) * scale_;
}

at::Tensor Autoencoder::Patchify(const at::Tensor& latent) const {
  const int64_t h = latent.size(1) / patch_;
  const int64_t w = latent.size(2) / patch_;
  return latent.view({z_, h, patch_, w, patch_})
      .permute({1, 3, 2, 4, 0})
      .reshape({h * w, patch_ * patch_ * z_});
}

at::Tensor Autoencoder::Unpatchify(const at::Tensor& tokens, int64_t h,
                                   int64_t w) const {
  return tokens.view({h, w, patch_, patch_, z_})
      .permute({4, 0, 2, 1, 3})
      .reshape({z_, h * patch_, w * patch_});
}

}  // namespace cooper::torch_model
