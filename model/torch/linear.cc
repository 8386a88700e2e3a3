#include "model/torch/linear.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include <vector>

namespace cooper::torch_model {

Linear::Linear(const at::Tensor& weight, const at::Tensor& bias,
               const Device& device)
    : out_(weight.size(0)) {
  if (bias.defined()) bias_ = bias.to(device.device, device.dtype).contiguous();
  if (device.fused_cpu()) {
    packed_ = std::make_shared<const PackedWeight>(weight);
    weight_bytes_ = packed_->bytes();
    return;
  }
  weight_ = weight.to(device.device, device.dtype);
  weight_bytes_ = weight_.numel() * weight_.element_size();
}

Linear Linear::Read(WeightReader& weights, absl::Span<const RowPart> parts,
                    int64_t inputs, bool bias) {
  const auto named = [&](const char* suffix) {
    std::vector<RowPart> rows(parts.begin(), parts.end());
    for (RowPart& part : rows) part.name += suffix;
    return rows;
  };
  const at::Tensor weight = weights.TakeMatrix(named(".weight"), inputs);
  return {weight, bias ? weights.TakeVector(named(".bias")) : at::Tensor(),
          weights.device()};
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  if (x.size(0) == 0) return at::empty({0, out_}, x.options());
  if (packed_ != nullptr) return packed_->Multiply(x, bias_);
  return at::linear(x, weight_, bias_);
}

}  // namespace cooper::torch_model
