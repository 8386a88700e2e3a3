#include "tests/bench/gpu/accelerator.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/version.h>

#include "absl/strings/str_cat.h"
#include "tests/bench/require.h"
#include "tests/bench/timing.h"

namespace cooper::bench {

double DeviceSeconds(const torch_model::Device& device,
                     const std::function<void()>& work) {
  if (device.is_cpu()) return Seconds(work);
  return internal::CudaSeconds(device.gpu, work);
}

MemoryUse MemoryUseOf(const torch_model::Device& device) {
  const auto memory = torch_model::MemoryOf(device);
  Require(memory.status());
  if (device.is_cpu()) {
    const int64_t resident = ResidentBytes();
    return {resident, resident, memory->free_bytes};
  }
  const auto allocator = device.layer->Allocator(device.gpu);
  Require(allocator.status());
  return {allocator->allocated_bytes, allocator->peak_allocated_bytes,
          memory->free_bytes};
}

void ResetPeak(const torch_model::Device& device) {
  if (!device.is_cpu()) Require(device.layer->ResetPeak(device.gpu));
}

void EmptyCache(const torch_model::Device& device) {
  if (!device.is_cpu()) Require(device.layer->EmptyCache());
}

at::Tensor PinnedBytes(const torch_model::Device& device, int64_t bytes) {
  return at::empty(
      {bytes}, at::TensorOptions(at::kByte).pinned_memory(!device.is_cpu()));
}

NamedFacts Facts(const torch_model::Device& device) {
  NamedFacts facts;
  if (device.is_cpu()) {
    facts = {{"device", absl::StrCat("cpu, ", at::get_num_threads(),
                                     " threads of an operator")}};
  } else {
    facts = internal::CudaFacts(device.gpu);
  }
  facts.emplace_back("libtorch built against", TORCH_VERSION);
  facts.emplace_back("dtype", device.dtype_name());
  return facts;
}

}  // namespace cooper::bench
