// The device layer of a build without CUDA: there is no GPU.
#include "absl/status/status.h"
#include "model/torch/device_layer.h"

namespace cooper::torch_model {
namespace {

class NoGpu final : public DeviceLayer {
 public:
  absl::StatusOr<int> Count() override { return Absent(); }
  absl::StatusOr<DeviceProperties> Properties(int /*index*/) override {
    return Absent();
  }
  absl::StatusOr<DeviceMemory> Memory(int /*index*/) override {
    return Absent();
  }
  absl::StatusOr<AllocatorMemory> Allocator(int /*index*/) override {
    return Absent();
  }
  absl::Status ResetPeak(int /*index*/) override { return Absent(); }
  absl::Status EmptyCache() override { return Absent(); }
  absl::Status MakeCurrent(int /*index*/) override { return Absent(); }
  absl::Status Synchronize(int /*index*/) override { return Absent(); }

 private:
  static absl::Status Absent() {
    return absl::NotFoundError(
        "this build has no CUDA (configure with the preset cuda)");
  }
};

}  // namespace

DeviceLayer* DeviceLayer::OfBuild() {
  static NoGpu* const kLayer = new NoGpu;
  return kLayer;
}

}  // namespace cooper::torch_model
