#include "model/torch/linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/sub.h>

#include <optional>
#include <utility>

namespace cooper::torch_model {
namespace {

// Largest loss of a float16 value below its normal range, and the largest
// share of the matrix's RMS that any loss may be.
constexpr double kMaxAbsoluteLoss = 3.1e-8;
constexpr double kMaxRelativeLoss = 4e-6;

// FBGEMM's float16 weights with float32 arithmetic; registered in libtorch,
// reached by name since there is no C++ function for them.
c10::IValue Prepack(const at::Tensor& weight, const at::Tensor& bias) {
  static const c10::OperatorHandle kOperator =
      c10::Dispatcher::singleton().findSchemaOrThrow(
          "quantized::linear_prepack_fp16", "");
  torch::jit::Stack stack;
  stack.emplace_back(weight);
  stack.emplace_back(bias.defined() ? c10::IValue(bias) : c10::IValue());
  kOperator.callBoxed(&stack);
  return std::move(stack.back());
}

at::Tensor RunPacked(const at::Tensor& x, const c10::IValue& packed) {
  static const c10::OperatorHandle kOperator =
      c10::Dispatcher::singleton().findSchemaOrThrow(
          "quantized::linear_dynamic_fp16", "");
  torch::jit::Stack stack;
  stack.reserve(2);
  stack.emplace_back(x);
  stack.emplace_back(packed);
  kOperator.callBoxed(&stack);
  return std::move(stack.back()).toTensor();
}

}  // namespace

bool FitsHalf(const at::Tensor& weight) {
  const at::Tensor exact = weight.to(at::kFloat);
  const at::Tensor loss = (exact - exact.to(at::kHalf).to(at::kFloat)).abs();
  const double largest = loss.max().item<double>();  // inf: past 65504
  const double rms = exact.square().mean().sqrt().item<double>();
  return largest <= kMaxAbsoluteLoss && largest <= kMaxRelativeLoss * rms;
}

Linear::Linear(const at::Tensor& weight, const at::Tensor& bias,
               const Device& device)
    : out_(weight.size(0)) {
  if (device.is_cpu() && device.dtype == at::kFloat && FitsHalf(weight)) {
    packed_ = Prepack(weight.to(at::kFloat),
                      bias.defined() ? bias.to(at::kFloat) : bias);
    weight_bytes_ = weight.numel() * 2;
    return;
  }
  weight_ = weight.to(device.device, device.dtype);
  if (bias.defined()) bias_ = bias.to(device.device, device.dtype);
  weight_bytes_ = weight_.numel() * weight_.element_size();
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  if (x.size(0) == 0) return at::empty({0, out_}, x.options());
  if (packed()) return RunPacked(x, packed_);
  return at::linear(x, weight_, bias_);
}

}  // namespace cooper::torch_model
