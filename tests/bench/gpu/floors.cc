#include "tests/bench/gpu/floors.h"

#include <algorithm>

namespace cooper::bench {

double Work::OverlappedSeconds(const Rates& rates) const {
  return std::max(flop / rates.product_flop_per_second,
                  bytes / rates.copy_bytes_per_second);
}

double Work::SerialSeconds(const Rates& rates) const {
  return flop / rates.product_flop_per_second +
         bytes / rates.copy_bytes_per_second;
}

Floors::Floors(const checkpoint::RandomShape& shape, int element_bytes)
    : shape_(shape), element_bytes_(element_bytes) {
  const checkpoint::LlmConfig& llm = shape_.llm;
  const auto hidden = static_cast<double>(llm.hidden_size);
  const auto dim = static_cast<double>(llm.head_dim());
  const double kv_width = llm.num_key_value_heads * dim;
  query_width_ = llm.num_attention_heads * dim;
  layer_parameters_ =
      llm.num_hidden_layers *
      (hidden * (query_width_ + 2 * kv_width) + query_width_ * hidden +
       3 * hidden * static_cast<double>(llm.intermediate_size));
  kv_bytes_per_token_ = 2.0 * kv_width * element_bytes_ * llm.num_hidden_layers;
}

Work Floors::Product(double rows, double in, double out) const {
  return {2 * rows * in * out, element_bytes_ * (in * out + rows * (in + out))};
}

Work Floors::Attention(const std::vector<AttendedRows>& items) const {
  Work work;
  for (const AttendedRows& item : items) {
    work.flop += 4 * item.rows * item.keys * query_width_;
    work.bytes +=
        item.keys * kv_bytes_per_token_ / shape_.llm.num_hidden_layers +
        2 * item.rows * query_width_ * element_bytes_;
  }
  return work;
}

Work Floors::Decode(int batch, double context) const {
  const double parameters =
      layer_parameters_ + static_cast<double>(shape_.llm.hidden_size) *
                              static_cast<double>(shape_.llm.vocab_size);
  const double attended =
      4 * context * query_width_ * shape_.llm.num_hidden_layers;
  return {batch * (2 * parameters + attended),
          parameters * element_bytes_ + batch * context * kv_bytes_per_token_};
}

Work Floors::Prefill(const std::vector<AttendedRows>& segments) const {
  Work work;
  for (const AttendedRows& segment : segments) {
    work.flop += 2 * segment.rows * layer_parameters_;
  }
  return work + Attention(segments) * shape_.llm.num_hidden_layers;
}

Work Floors::DenoiseStep(double latents,
                         const std::vector<double>& contexts) const {
  std::vector<AttendedRows> branches;
  const double rows = latents + 2;  // and the two delimiters
  branches.reserve(contexts.size());
  for (const double context : contexts) {
    branches.push_back({rows, context + rows});
  }
  const auto count = static_cast<double>(contexts.size());
  Work work = Attention(branches) * shape_.llm.num_hidden_layers;
  work.flop += 2 * count * latents * layer_parameters_;
  // Generation weights, and understanding weights for the delimiters.
  work.bytes += 2 * layer_parameters_ * element_bytes_;
  return work;
}

Work Floors::VisionEncode(double patches) const {
  const checkpoint::VitConfig& vit = shape_.vit;
  const auto width = static_cast<double>(vit.hidden_size);
  const auto hidden = static_cast<double>(shape_.llm.hidden_size);
  const int layers = vit.num_hidden_layers - shape_.cooper.vit_drop_last_layers;
  const double layer = 4 * width * width +
                       2 * width * static_cast<double>(vit.intermediate_size);
  const double ends =
      width * vit.num_channels * vit.patch_size * vit.patch_size +
      width * hidden + hidden * hidden;
  return {2 * patches * (layers * layer + ends) +
              4 * patches * patches * width * layers,
          (layers * layer + ends) * element_bytes_};
}

Work Floors::Convolution(double side, double in, double out, int kernel,
                         int stride) const {
  const double outputs = side / stride * (side / stride);
  return {2 * outputs * in * out * kernel * kernel,
          element_bytes_ * (side * side * in + outputs * out)};
}

Work Floors::Norm(double side, double channels) const {
  return {0.0, 3 * element_bytes_ * side * side * channels};
}

Work Floors::ResBlock(double side, double in, double out) const {
  Work work = Norm(side, in) + Convolution(side, in, out, 3) + Norm(side, out) +
              Convolution(side, out, out, 3);
  return in == out ? work : work + Convolution(side, in, out, 1);
}

Work Floors::Middle(double side, double channels) const {
  const double places = side * side;
  Work attention =
      Norm(side, channels) + Convolution(side, channels, channels, 1) * 4;
  attention.flop += 4 * places * places * channels;
  return ResBlock(side, channels, channels) * 2 + attention;
}

Work Floors::VaeEncode(int side) const {
  const checkpoint::CooperConfig& c = shape_.cooper;
  double at = side;
  double channels = c.ae_ch;
  Work work = Convolution(at, 3, channels, 3);
  for (size_t level = 0; level < c.ae_ch_mult.size(); ++level) {
    const double out = static_cast<double>(c.ae_ch) * c.ae_ch_mult[level];
    for (int block = 0; block < c.ae_num_res_blocks; ++block) {
      work = work + ResBlock(at, channels, out);
      channels = out;
    }
    if (level + 1 < c.ae_ch_mult.size()) {
      work = work + Convolution(at, channels, channels, 3, 2);
      at /= 2;
    }
  }
  return work + Middle(at, channels) + Norm(at, channels) +
         Convolution(at, channels, 2 * c.ae_z_channels, 3);
}

Work Floors::VaeDecode(int side) const {
  const checkpoint::CooperConfig& c = shape_.cooper;
  double at = static_cast<double>(side) / c.ae_downsample;
  double channels = static_cast<double>(c.ae_ch) * c.ae_ch_mult.back();
  Work work =
      Convolution(at, c.ae_z_channels, channels, 3) + Middle(at, channels);
  for (size_t level = c.ae_ch_mult.size(); level-- > 0;) {
    const double out = static_cast<double>(c.ae_ch) * c.ae_ch_mult[level];
    for (int block = 0; block <= c.ae_num_res_blocks; ++block) {
      work = work + ResBlock(at, channels, out);
      channels = out;
    }
    if (level > 0) {
      at *= 2;
      work = work + Convolution(at, channels, channels, 3);
    }
  }
  return work + Norm(at, channels) + Convolution(at, channels, 3, 3);
}

}  // namespace cooper::bench
