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
  return internal::CudaSeconds(device.device.index(), work);
}

MemoryUse MemoryOf(const torch_model::Device& device) {
  if (!device.is_cpu()) return internal::CudaMemoryUse(device.device.index());
  const auto memory = torch_model::MemoryOf(device);
  Require(memory.status());
  const int64_t resident = ResidentBytes();
  return {resident, resident, memory->free_bytes};
}

void ResetPeak(const torch_model::Device& device) {
  if (!device.is_cpu()) internal::CudaResetPeak(device.device.index());
}

void EmptyCache(const torch_model::Device& device) {
  if (!device.is_cpu()) internal::CudaEmptyCache();
}

at::Tensor PinnedBytes(const torch_model::Device& device, int64_t bytes) {
  return at::empty(
      {bytes}, at::TensorOptions(at::kByte).pinned_memory(!device.is_cpu()));
}

std::vector<std::pair<std::string, std::string>> Facts(
    const torch_model::Device& device) {
  std::vector<std::pair<std::string, std::string>> facts;
  if (device.is_cpu()) {
    facts = {{"device", absl::StrCat("cpu, ", at::get_num_threads(),
                                     " threads of an operator")}};
  } else {
    facts = internal::CudaFacts(device.device.index());
  }
  facts.emplace_back("libtorch built against", TORCH_VERSION);
  facts.emplace_back("dtype", device.dtype_name());
  return facts;
}

}  // namespace cooper::bench
