// What ApplyDeviceSettings leaves libtorch's switches at.

#include "model/torch/device_settings.h"

#include <ATen/Context.h>

#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

using Reduction = at::CuBLASReductionOption;

// Puts the switches back.
class DeviceSettingsTest : public ::testing::Test {
 protected:
  DeviceSettingsTest() {
    context_.setAllowTF32CuBLAS(true);
    context_.setAllowTF32CuDNN(true);
    context_.setSDPUseCuDNN(true);
    context_.setAllowBF16ReductionCuBLAS(true, true);
  }
  ~DeviceSettingsTest() override {
    context_.setAllowTF32CuBLAS(false);
    context_.setAllowTF32CuDNN(false);
    context_.setAllowBF16ReductionCuBLAS(true, true);
    context_.setAllowFP16ReductionCuBLAS(true, true);
    context_.setDeterministicCuDNN(false);
  }
  at::Context& context_ = at::globalContext();
};

TEST_F(DeviceSettingsTest, Float32IsNeitherTf32InProductsNorInConvolutions) {
  ApplyDeviceSettings(Device());
  EXPECT_FALSE(context_.allowTF32CuBLAS());
  EXPECT_FALSE(context_.allowTF32CuDNN());
}

TEST_F(DeviceSettingsTest, AttentionNeverGoesToCudnn) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    context_.setSDPUseCuDNN(true);
    Device device;
    device.dtype = dtype;
    ApplyDeviceSettings(device);
    EXPECT_FALSE(context_.userEnabledCuDNNSDP());
    EXPECT_TRUE(context_.userEnabledFlashSDP());
  }
}

TEST_F(DeviceSettingsTest, DeterministicSumsAreFloat32AndNotSplit) {
  Device device;
  device.dtype = at::kBFloat16;
  ApplyDeviceSettings(device);
  EXPECT_EQ(context_.allowBF16ReductionCuBLAS(),
            Reduction::AllowReducedPrecisionWithSplitK);
  EXPECT_FALSE(context_.deterministicCuDNN());
  device.deterministic = true;
  ApplyDeviceSettings(device);
  EXPECT_EQ(context_.allowBF16ReductionCuBLAS(),
            Reduction::DisallowReducedPrecisionDisallowSplitK);
  EXPECT_TRUE(context_.deterministicCuDNN());
  // A network after it is not deterministic.
  device.deterministic = false;
  ApplyDeviceSettings(device);
  EXPECT_EQ(context_.allowBF16ReductionCuBLAS(),
            Reduction::AllowReducedPrecisionWithSplitK);
  EXPECT_FALSE(context_.deterministicCuDNN());
}

}  // namespace
}  // namespace cooper::torch_model
