#ifndef COOPER_TESTS_MODEL_TORCH_FAKE_DEVICE_LAYER_H_
#define COOPER_TESTS_MODEL_TORCH_FAKE_DEVICE_LAYER_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/torch/device_layer.h"

namespace cooper::torch_model {

// GPUs that are not there. The model runs the generic kernels on tensors in
// host memory, while all that it asks of its GPU is answered from here.
class FakeDeviceLayer final : public DeviceLayer {
 public:
  // What a call does; it may throw, as libtorch's operators do.
  using Hook = std::function<absl::Status()>;

  absl::StatusOr<int> Count() override { return count; }
  absl::StatusOr<DeviceProperties> Properties(int /*index*/) override {
    return properties;
  }
  absl::StatusOr<DeviceMemory> Memory(int /*index*/) override { return memory; }
  absl::StatusOr<AllocatorMemory> Allocator(int /*index*/) override {
    return allocator;
  }
  absl::Status ResetPeak(int /*index*/) override {
    ++peak_resets;
    return absl::OkStatus();
  }
  absl::Status EmptyCache() override {
    ++emptied;
    return absl::OkStatus();
  }
  absl::Status MakeCurrent(int index) override {
    current.push_back(index);
    return on_make_current ? on_make_current() : absl::OkStatus();
  }
  absl::Status Synchronize(int /*index*/) override {
    ++synchronized;
    return on_synchronize ? on_synchronize() : absl::OkStatus();
  }
  bool holds_tensors() const override { return false; }

  absl::StatusOr<int> count = 1;
  DeviceProperties properties = {"Fake GPU", 9, 0};
  DeviceMemory memory = {int64_t{2} << 30, int64_t{4} << 30};
  AllocatorMemory allocator;
  // As a call of the model begins, and as it waits for the GPU.
  Hook on_make_current, on_synchronize;

  // What was asked for.
  std::vector<int> current;
  int synchronized = 0;
  int emptied = 0;
  int peak_resets = 0;
};

}  // namespace cooper::torch_model

#endif  // COOPER_TESTS_MODEL_TORCH_FAKE_DEVICE_LAYER_H_
