#include "model/torch/device.h"

#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/host_memory.h"
#include "base/status_macros.h"
#include "model/device_status.h"
#include "model/torch/dtype_choice.h"

namespace cooper::torch_model {
namespace {

// Compute capability from which on GPUs compute in bfloat16.
constexpr int kBfloat16Major = 8;

// The number of "cuda" or "cuda:N"; nullopt: another name.
std::optional<int> GpuNumber(absl::string_view name) {
  int number = 0;
  if (name == "cuda") return 0;
  if (absl::ConsumePrefix(&name, "cuda:") && absl::SimpleAtoi(name, &number) &&
      number >= 0) {
    return number;
  }
  return std::nullopt;
}

absl::Status Unusable(absl::string_view message) {
  return model::DeviceUnusable(
      absl::FailedPreconditionError(absl::StrCat("--device: ", message)));
}

// The number of the GPU that is asked for; nullopt: the CPU is.
absl::StatusOr<std::optional<int>> ChooseGpu(const std::string& name,
                                             DeviceLayer* layer) {
  COOPER_RETURN_IF_ERROR(CheckDeviceName(name));
  if (name == "cpu") return std::nullopt;
  const absl::StatusOr<int> count = layer->Count();
  if (name == "auto") {
    if (absl::IsNotFound(count.status())) return std::nullopt;
    if (!count.ok()) return Unusable(count.status().message());
    return 0;
  }
  if (!count.ok()) return Unusable(count.status().message());
  const int number = *GpuNumber(name);
  if (number >= *count) {
    return Unusable(absl::StrCat("there is no ", name, ": the machine has ",
                                 *count, *count == 1 ? " GPU" : " GPUs"));
  }
  return number;
}

absl::StatusOr<at::ScalarType> ChooseType(const std::string& dtype,
                                          const Device& device) {
  if (dtype == "auto") {
    return device.is_cpu() ? MeasuredCpuType() : at::kBFloat16;
  }
  if (dtype == "float32") return at::kFloat;
  if (dtype == "bfloat16") return at::kBFloat16;
  return absl::InvalidArgumentError(absl::StrCat(
      "--dtype: must be auto, float32 or bfloat16, not \"", dtype, "\""));
}

absl::Status CheckCapability(const Device& device) {
  if (device.is_cpu() || device.dtype != at::kBFloat16) return absl::OkStatus();
  const absl::StatusOr<DeviceProperties> properties =
      device.layer->Properties(device.gpu);
  if (!properties.ok()) return Unusable(properties.status().message());
  if (properties->major >= kBfloat16Major) return absl::OkStatus();
  return Unusable(absl::StrCat(
      device.name(), " (", properties->name, ", compute capability ",
      properties->major, ".", properties->minor, ") cannot compute in ",
      "bfloat16, which needs ", kBfloat16Major, ".0; use --dtype=float32"));
}

}  // namespace

std::string Device::name() const {
  return is_cpu() ? "cpu" : absl::StrCat("cuda:", gpu);
}

std::string Device::dtype_name() const {
  return dtype == at::kBFloat16 ? "bfloat16" : "float32";
}

absl::Status CheckDeviceName(const std::string& device) {
  if (device == "auto" || device == "cpu" || GpuNumber(device).has_value()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "--device: must be auto, cpu, cuda or cuda:N, not \"", device, "\""));
}

absl::StatusOr<Device> SelectDevice(const std::string& device,
                                    const std::string& dtype,
                                    DeviceLayer* layer) {
  Device result;
  COOPER_ASSIGN_OR_RETURN(const std::optional<int> gpu,
                          ChooseGpu(device, layer));
  if (gpu.has_value()) {
    result.gpu = *gpu;
    result.layer = layer;
    result.launcher = layer->launcher();
    if (layer->holds_tensors()) {
      result.device =
          c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(*gpu));
    }
  }
  COOPER_ASSIGN_OR_RETURN(result.dtype, ChooseType(dtype, result));
  COOPER_RETURN_IF_ERROR(CheckCapability(result));
  return result;
}

absl::StatusOr<DeviceMemory> MemoryOf(const Device& device) {
  if (device.is_cpu()) {
    const base::HostMemory memory = base::ReadHostMemory();
    return DeviceMemory{.free_bytes = memory.free_bytes,
                        .total_bytes = memory.total_bytes};
  }
  return device.layer->Memory(device.gpu);
}

absl::Status Synchronize(const Device& device) {
  if (device.is_cpu()) return absl::OkStatus();
  return device.layer->Synchronize(device.gpu);
}

}  // namespace cooper::torch_model
