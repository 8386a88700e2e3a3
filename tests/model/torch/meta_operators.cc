// Kernels of ATen's meta device that libtorch registers from Python only. The
// meta device has shapes, dtypes and devices but no memory and no values; its
// operators refuse tensors of other devices, and so do these.

#include <ATen/ExpandUtils.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/result_type.h>
#include <torch/library.h>

#include <initializer_list>
#include <optional>
#include <tuple>

namespace cooper::torch_model {
namespace {

using OptionalTensor = std::optional<at::Tensor>;

// Throws unless all that are defined are on one device. A tensor without
// dimensions may be a number of the host.
void CheckDevices(const char* name, std::initializer_list<at::Tensor> tensors) {
  const at::Tensor* first = nullptr;
  for (const at::Tensor& tensor : tensors) {
    if (!tensor.defined() || tensor.dim() == 0) continue;
    if (first == nullptr) first = &tensor;
    TORCH_CHECK(tensor.device() == first->device(), name,
                ": tensors on different devices: ", first->device(), " and ",
                tensor.device());
  }
}

// As above, and of one dtype.
void CheckOperands(const char* name,
                   std::initializer_list<at::Tensor> tensors) {
  CheckDevices(name, tensors);
  const at::Tensor* first = nullptr;
  for (const at::Tensor& tensor : tensors) {
    if (!tensor.defined()) continue;
    if (first == nullptr) first = &tensor;
    TORCH_CHECK(tensor.scalar_type() == first->scalar_type(), name,
                ": dtypes differ: ", first->scalar_type(), " and ",
                tensor.scalar_type());
  }
}

at::Tensor ValueOf(const OptionalTensor& tensor) {
  return tensor.value_or(at::Tensor());
}

at::Tensor IndexSelect(const at::Tensor& self, int64_t dim,
                       const at::Tensor& index) {
  CheckDevices("index_select", {self, index});
  std::vector<int64_t> sizes = self.sizes().vec();
  sizes[dim] = index.numel();
  return at::empty(sizes, self.options());
}

at::Tensor Where(const at::Tensor& condition, const at::Tensor& self,
                 const at::Tensor& other) {
  CheckDevices("where", {condition, self, other});
  return at::empty(
      at::infer_size(at::infer_size(condition.sizes(), self.sizes()),
                     other.sizes()),
      condition.options().dtype(at::result_type(self, other)));
}

at::Tensor& WhereOut(const at::Tensor& condition, const at::Tensor& self,
                     const at::Tensor& other, at::Tensor& out) {
  CheckDevices("where", {condition, self, other, out});
  return out;
}

// Signatures are those that libtorch makes of the operators' schemas.
// NOLINTBEGIN(performance-unnecessary-value-param)
at::Tensor Convolution(const at::Tensor& input, const at::Tensor& weight,
                       const OptionalTensor& bias, c10::SymIntArrayRef stride,
                       c10::SymIntArrayRef padding,
                       c10::SymIntArrayRef /*dilation*/, bool /*transposed*/,
                       c10::SymIntArrayRef /*output_padding*/,
                       c10::SymInt /*groups*/) {
  CheckOperands("convolution", {input, weight, ValueOf(bias)});
  TORCH_CHECK(input.size(1) == weight.size(1), "convolution: channels differ");
  const auto size = [&](int i) {
    return (input.size(2 + i) + 2 * padding[i].expect_int() -
            weight.size(2 + i)) /
               stride[i].expect_int() +
           1;
  };
  return at::empty({input.size(0), weight.size(0), size(0), size(1)},
                   input.options(), at::MemoryFormat::ChannelsLast);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> GroupNorm(
    const at::Tensor& input, const OptionalTensor& weight,
    const OptionalTensor& bias, c10::SymInt /*samples*/, c10::SymInt channels,
    c10::SymInt /*size*/, int64_t groups, double /*eps*/) {
  CheckOperands("group_norm", {input, ValueOf(weight), ValueOf(bias)});
  TORCH_CHECK(channels.expect_int() % groups == 0,
              "group_norm: channels are no multiple of the groups");
  const at::Tensor statistics =
      at::empty({input.size(0), groups}, input.options());
  return {at::empty(input.sizes(), input.options()), statistics, statistics};
}

// NOLINTEND(performance-unnecessary-value-param)

std::tuple<at::Tensor, at::Tensor, at::Tensor> LayerNorm(
    const at::Tensor& input, c10::SymIntArrayRef normalized,
    const OptionalTensor& weight, const OptionalTensor& bias, double /*eps*/) {
  CheckOperands("layer_norm", {input, ValueOf(weight), ValueOf(bias)});
  TORCH_CHECK(input.size(-1) == normalized.back().expect_int(),
              "layer_norm: sizes differ");
  const at::Tensor statistics =
      at::empty({input.size(0), 1}, input.options().dtype(at::kFloat));
  return {at::empty(input.sizes(), input.options()), statistics, statistics};
}

// The call of attention for sequences of variable length. Boxed, since the last
// arguments differ between versions of libtorch.
void FlashAttention(const c10::OperatorHandle& operation,
                    torch::jit::Stack* stack) {
  const size_t count = operation.schema().arguments().size();
  const auto argument = [&](size_t i) {
    return torch::jit::peek(*stack, i, count);
  };
  const at::Tensor query = argument(0).toTensor();
  const at::Tensor keys = argument(1).toTensor();
  const at::Tensor values = argument(2).toTensor();
  const at::Tensor query_offsets = argument(3).toTensor();
  const at::Tensor key_offsets = argument(4).toTensor();
  const std::string name = "_flash_attention_forward";
  CheckOperands(name.c_str(), {query, keys, values});
  CheckDevices(name.c_str(), {query, query_offsets, key_offsets});
  TORCH_CHECK(
      query.scalar_type() == at::kBFloat16 || query.scalar_type() == at::kHalf,
      name, ": dtype");
  TORCH_CHECK(query_offsets.scalar_type() == at::kInt &&
                  key_offsets.scalar_type() == at::kInt &&
                  query_offsets.sizes() == key_offsets.sizes(),
              name, ": offsets");
  TORCH_CHECK(
      query.dim() == 3 && keys.dim() == 3 && keys.sizes() == values.sizes() &&
          query.size(2) == keys.size(2) && query.size(1) % keys.size(1) == 0,
      name, ": sizes");
  TORCH_CHECK(
      query.stride(2) == 1 && keys.stride(2) == 1 && values.stride(2) == 1,
      name, ": the last dimension is not contiguous");
  torch::jit::drop(*stack, count);
  const at::Tensor none = at::empty({0}, query.options());
  torch::jit::push(*stack, at::empty(query.sizes(), query.options()), none,
                   none, none, none);
}

TORCH_LIBRARY_IMPL(aten, Meta, library) {
  library.impl("native_layer_norm", LayerNorm);
  library.impl("_flash_attention_forward",
               torch::CppFunction::makeFromBoxedFunction<&FlashAttention>());
  library.impl("index_select", IndexSelect);
  library.impl("where.self", Where);
  library.impl("where.self_out", WhereOut);
  library.impl("convolution_overrideable", Convolution);
  library.impl("native_group_norm", GroupNorm);
}

}  // namespace
}  // namespace cooper::torch_model
