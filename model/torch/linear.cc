#include "model/torch/linear.h"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include <algorithm>
#include <vector>

namespace cooper::torch_model {
namespace {

constexpr int64_t kFewRows = 64;
constexpr int64_t kManyRows = 1024;

}  // namespace

Linear::Linear(const at::Tensor& weight, const at::Tensor& bias,
               const Device& device, UsualRows rows)
    : out_(weight.size(0)) {
  if (bias.defined()) bias_ = bias.to(device.device, device.dtype).contiguous();
  if (device.fused_cpu()) {
    packed_ = std::make_shared<const PackedWeight>(weight);
    weight_bytes_ = packed_->bytes();
    return;
  }
  weight_ = weight.to(device.device, device.dtype);
  weight_bytes_ = weight_.numel() * weight_.element_size();
  if (device.deterministic) {
    block_rows_ = rows == UsualRows::kFew ? kFewRows : kManyRows;
  }
}

Linear Linear::Read(WeightReader& weights, absl::Span<const RowPart> parts,
                    int64_t inputs, bool bias, UsualRows rows) {
  const auto named = [&](const char* suffix) {
    std::vector<RowPart> result(parts.begin(), parts.end());
    for (RowPart& part : result) part.name += suffix;
    return result;
  };
  const at::Tensor weight = weights.TakeMatrix(named(".weight"), inputs);
  return {weight, bias ? weights.TakeVector(named(".bias")) : at::Tensor(),
          weights.device(), rows};
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  if (x.size(0) == 0) return at::empty({0, out_}, x.options());
  if (packed_ != nullptr) return packed_->Multiply(x, bias_);
  return block_rows_ > 0 ? InBlocks(x) : at::linear(x, weight_, bias_);
}

at::Tensor Linear::InBlocks(const at::Tensor& x) const {
  const int64_t rows = x.size(0);
  at::Tensor out = at::empty({rows, out_}, x.options());
  for (int64_t begin = 0; begin < rows; begin += block_rows_) {
    const int64_t count = std::min(block_rows_, rows - begin);
    const at::Tensor block = at::constant_pad_nd(
        x.narrow(0, begin, count), {0, 0, 0, block_rows_ - count});
    out.narrow(0, begin, count)
        .copy_(at::linear(block, weight_, bias_).narrow(0, 0, count));
  }
  return out;
}

}  // namespace cooper::torch_model
