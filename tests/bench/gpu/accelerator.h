#ifndef COOPER_TESTS_BENCH_GPU_ACCELERATOR_H_
#define COOPER_TESTS_BENCH_GPU_ACCELERATOR_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "model/torch/device.h"

// What a benchmark asks of the device itself, beside model/torch's DeviceLayer.
// accelerator_cuda.cc is for CUDA builds, accelerator_cpu.cc is its twin for
// others.

namespace cooper::bench {

// Seconds from before the first to after the last operation of `work` on the
// device: by events on the current stream of a GPU, by the clock of a CPU.
double DeviceSeconds(const torch_model::Device& device,
                     const std::function<void()>& work);

struct MemoryUse {
  int64_t allocated_bytes = 0;  // in tensors now; on a CPU: resident
  int64_t peak_bytes = 0;       // the most since ResetPeak; on a CPU: resident
  int64_t free_bytes = 0;  // of the device, beside what is kept for tensors
};
MemoryUse MemoryUseOf(const torch_model::Device& device);
void ResetPeak(const torch_model::Device& device);
// Gives memory that no tensor holds back to the device.
void EmptyCache(const torch_model::Device& device);

// Memory for copies to the device: pinned where that is a GPU.
at::Tensor PinnedBytes(const torch_model::Device& device, int64_t bytes);

// Names and versions: GPU, memory, driver, CUDA, cuDNN, torch.
using NamedFacts = std::vector<std::pair<std::string, std::string>>;
NamedFacts Facts(const torch_model::Device& device);

namespace internal {
// The part of a GPU; a CPU build has none and is never asked.
double CudaSeconds(int index, const std::function<void()>& work);
NamedFacts CudaFacts(int index);
}  // namespace internal

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_GPU_ACCELERATOR_H_
