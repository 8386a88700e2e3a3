#include "model/torch/device.h"

#include <algorithm>
#include <fstream>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "model/torch/dtype_choice.h"
#include "server/base/status_macros.h"

namespace cooper::torch_model {
namespace {

absl::StatusOr<c10::Device> ParseDevice(const std::string& name) {
  if (name == "cpu") return c10::Device(c10::kCPU);
  const int cards = internal::CudaDeviceCount();
  if (name == "auto") {
    return cards > 0 ? c10::Device(c10::kCUDA, 0) : c10::Device(c10::kCPU);
  }
  absl::string_view rest = name;
  int index = 0;
  if (name != "cuda" && !(absl::ConsumePrefix(&rest, "cuda:") &&
                          absl::SimpleAtoi(rest, &index) && index >= 0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--device: must be auto, cpu or cuda:N, not \"", name, "\""));
  }
  if (index >= cards) {
    return absl::FailedPreconditionError(
        cards == 0
            ? absl::StrCat("--device: ", internal::CudaAbsence())
            : absl::StrCat("--device: there are only ", cards, " CUDA cards"));
  }
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
}

int64_t ReadNumber(const char* path, int64_t missing) {
  std::ifstream file(path);
  int64_t value = 0;
  return file >> value ? value : missing;
}

DeviceMemory HostMemory() {
  DeviceMemory memory;
  std::ifstream file("/proc/meminfo");
  std::string key;
  int64_t kib = 0;
  std::string unit;
  while (file >> key >> kib) {
    std::getline(file, unit);
    if (key == "MemTotal:") memory.total_bytes = kib << 10;
    if (key == "MemAvailable:") memory.free_bytes = kib << 10;
  }
  // A container's limit is what counts where it is lower.
  const int64_t limit = ReadNumber("/sys/fs/cgroup/memory.max",
                                   std::numeric_limits<int64_t>::max());
  if (limit < memory.total_bytes) {
    const int64_t used = ReadNumber("/sys/fs/cgroup/memory.current", 0);
    memory.total_bytes = limit;
    memory.free_bytes =
        std::min(memory.free_bytes, std::max<int64_t>(limit - used, 0));
  }
  return memory;
}

}  // namespace

std::string Device::name() const { return device.str(); }

std::string Device::dtype_name() const {
  return dtype == at::kBFloat16 ? "bfloat16" : "float32";
}

absl::StatusOr<Device> SelectDevice(const std::string& device,
                                    const std::string& dtype) {
  Device result;
  COOPER_ASSIGN_OR_RETURN(result.device, ParseDevice(device));
  if (dtype == "auto") {
    result.dtype = result.is_cpu() ? MeasuredCpuType() : at::kBFloat16;
  } else if (dtype == "float32") {
    result.dtype = at::kFloat;
  } else if (dtype == "bfloat16") {
    result.dtype = at::kBFloat16;
  } else {
    return absl::InvalidArgumentError(absl::StrCat(
        "--dtype: must be auto, float32 or bfloat16, not \"", dtype, "\""));
  }
  return result;
}

absl::StatusOr<DeviceMemory> MemoryOf(const Device& device) {
  if (device.is_cpu()) return HostMemory();
  return internal::CudaMemory(device.device.index());
}

void Synchronize(const Device& device) {
  if (!device.is_cpu()) internal::CudaSynchronize(device.device.index());
}

}  // namespace cooper::torch_model
