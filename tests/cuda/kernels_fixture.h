#ifndef COOPER_TESTS_CUDA_KERNELS_FIXTURE_H_
#define COOPER_TESTS_CUDA_KERNELS_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "model/cuda/kernels.h"
#include "tests/cuda/emulated_launcher.h"

namespace cooper::cuda {

// Numbers of a type, held as the kernels take them.
class Numbers {
 public:
  Numbers(Type type, size_t count)
      : type_(type), bytes_(count * (type == Type::kBFloat16 ? 2 : 4)) {}
  Numbers(Type type, const std::vector<float>& values)
      : Numbers(type, values.size()) {
    for (size_t i = 0; i < values.size(); ++i) Set(i, values[i]);
  }

  void* data() { return bytes_.data(); }
  size_t size() const {
    return bytes_.size() / (type_ == Type::kBFloat16 ? 2 : 4);
  }
  float operator[](size_t i) const {
    if (type_ == Type::kFloat32) {
      return reinterpret_cast<const float*>(bytes_.data())[i];
    }
    const uint32_t bits = reinterpret_cast<const uint16_t*>(bytes_.data())[i];
    return std::bit_cast<float>(bits << 16);
  }
  void Set(size_t i, float value) {
    if (type_ == Type::kFloat32) {
      reinterpret_cast<float*>(bytes_.data())[i] = value;
    } else {
      reinterpret_cast<uint16_t*>(bytes_.data())[i] =
          static_cast<uint16_t>(std::bit_cast<uint32_t>(Round(value)) >> 16);
    }
  }
  // To the nearest number of the type, ties to even.
  float Round(float value) const {
    if (type_ == Type::kFloat32) return value;
    const auto bits = std::bit_cast<uint32_t>(value);
    return std::bit_cast<float>((bits + 0x7fff + ((bits >> 16) & 1)) &
                                0xffff0000u);
  }

 private:
  Type type_;
  std::vector<unsigned char> bytes_;
};

// Tests of a kernel in each type.
class CudaKernelsTest : public ::testing::TestWithParam<Type> {
 protected:
  Numbers Random(size_t count, float scale = 1.0f) {
    std::normal_distribution<float> bell(0.0f, scale);
    Numbers numbers(GetParam(), count);
    for (size_t i = 0; i < count; ++i) numbers.Set(i, bell(random_));
    return numbers;
  }
  float tolerance() const {
    return GetParam() == Type::kBFloat16 ? 0.01f : 2e-5f;
  }
  void ExpectNear(const Numbers& got, const std::vector<float>& want) {
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_NEAR(got[i], want[i], tolerance() * (1.0f + std::abs(want[i])))
          << "at " << i;
    }
  }

  const Launcher& launcher_ = EmulatedLauncher();
  std::mt19937 random_{1};
};

inline std::string NameOfType(const ::testing::TestParamInfo<Type>& info) {
  return info.param == Type::kFloat32 ? "Float32" : "BFloat16";
}

}  // namespace cooper::cuda

#endif  // COOPER_TESTS_CUDA_KERNELS_FIXTURE_H_
