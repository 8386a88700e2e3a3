#include "model/torch/weight_upload.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>

#include <atomic>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "model/torch/finite.h"
#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

using cooper::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kBufferBytes = 4096;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

Device Cpu(at::ScalarType dtype) {
  Device device;
  device.dtype = dtype;
  return device;
}

// Fills a tensor of `dtype` with the bytes of `stored`.
at::Tensor Uploaded(WeightUpload& upload, const std::string& name,
                    const at::Tensor& stored, at::ScalarType dtype) {
  const at::Tensor destination =
      at::full(stored.sizes(), -7.0, at::TensorOptions(dtype));
  const auto* bytes = static_cast<const char*>(stored.const_data_ptr());
  EXPECT_OK(upload.Fill(
      name, stored.scalar_type(),
      [&](size_t begin, size_t count, void* to) {
        EXPECT_LE(begin + count, stored.nbytes());
        std::memcpy(to, bytes + begin, count);
        return absl::OkStatus();
      },
      destination));
  return destination;
}

class WeightUploadTest : public ::testing::TestWithParam<
                             std::tuple<at::ScalarType, at::ScalarType>> {
 protected:
  at::Tensor Stored(at::IntArrayRef shape) const {
    return at::randn(shape).to(std::get<0>(GetParam()));
  }
  at::ScalarType dtype() const { return std::get<1>(GetParam()); }

  WeightUpload upload_{Cpu(std::get<1>(GetParam())), kBufferBytes};
};

INSTANTIATE_TEST_SUITE_P(
    Types, WeightUploadTest,
    ::testing::Combine(::testing::Values(at::kFloat, at::kHalf, at::kBFloat16),
                       ::testing::Values(at::kFloat, at::kBFloat16)),
    [](const auto& info) {
      return absl::StrCat(c10::toString(std::get<0>(info.param)), "To",
                          c10::toString(std::get<1>(info.param)));
    });

TEST_P(WeightUploadTest, TensorsOfAnySizeHaveTheValuesOfTheFile) {
  // Within a buffer, ending with it, over several, none.
  for (const int64_t values : {1, 7, 300, 512, 1024, 2048, 5000, 33333, 0, 3}) {
    const at::Tensor stored = Stored({values});
    EXPECT_TRUE(
        Uploaded(upload_, "a", stored, dtype()).equal(stored.to(dtype())))
        << values;
  }
  EXPECT_THAT(upload_.Finish(), IsEmpty());
}

TEST_P(WeightUploadTest, ATensorLargerThanAReadIsReadByThreads) {
  const at::Tensor stored = Stored({3, 1000, 1001});
  WeightUpload upload(Cpu(dtype()));
  EXPECT_TRUE(Uploaded(upload, "a", stored, dtype()).equal(stored.to(dtype())));
  EXPECT_THAT(upload.Finish(), IsEmpty());
}

TEST_P(WeightUploadTest, NamesWhatIsNotFiniteInTheOrderOfTheTensors) {
  const auto with = [&](int64_t index, float value) {
    at::Tensor stored = Stored({6000});
    stored[index] = value;
    return stored;
  };
  Uploaded(upload_, "good", Stored({6000}), dtype());
  Uploaded(upload_, "first", with(0, kNaN), dtype());
  Uploaded(upload_, "last", with(5999, kInfinity), dtype());
  Uploaded(upload_, "small", at::full({1}, -kInfinity).to(Stored({1}).dtype()),
           dtype());
  Uploaded(upload_, "within", with(4095, -kInfinity), dtype());
  Uploaded(upload_, "twice", with(1, kNaN).fill_(kNaN), dtype());
  EXPECT_THAT(upload_.Finish(),
              ElementsAre("first", "last", "small", "within", "twice"));
  EXPECT_THAT(upload_.Finish(), IsEmpty());
}

TEST_P(WeightUploadTest, TheFirstErrorByPlaceEndsATensor) {
  WeightUpload upload(Cpu(dtype()));
  const int64_t values = 4 << 20;
  const at::Tensor destination = at::empty({values}, dtype());
  std::atomic<int> reads = 0;
  // All but the first MiB cannot be read.
  const absl::Status status = upload.Fill(
      "a", std::get<0>(GetParam()),
      [&](size_t begin, size_t /*bytes*/, void* /*to*/) {
        ++reads;
        if (begin < size_t{1} << 20) return absl::OkStatus();
        return absl::DataLossError(absl::StrCat("at ", begin));
      },
      destination);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, "at 1048576"));
  EXPECT_GE(reads, 2);
  // It serves on.
  const at::Tensor stored = Stored({5000});
  EXPECT_TRUE(Uploaded(upload, "b", stored, dtype()).equal(stored.to(dtype())));
}

TEST(FiniteTest, InfinitiesAndNaNsAreFoundWhereverTheyAre) {
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    for (const int64_t count : {1, 15, 4096, 4097, 20000}) {
      const at::Tensor values = at::randn({count}).to(type);
      const auto finite = [&] {
        return AllFinite(values.const_data_ptr(), count, type);
      };
      EXPECT_TRUE(finite());
      for (const int64_t index : {int64_t{0}, count / 2, count - 1}) {
        const float before = values[index].item<float>();
        for (const float value : {kInfinity, -kInfinity, kNaN, -kNaN}) {
          values[index] = value;
          EXPECT_FALSE(finite()) << type << " " << index << " " << value;
        }
        values[index] = before;
        EXPECT_TRUE(finite());
      }
    }
  }
}

TEST(FiniteTest, TheLargestAndSmallestNumbersAreFinite) {
  const auto all_finite = [](const at::Tensor& values) {
    return AllFinite(values.const_data_ptr(), values.numel(),
                     values.scalar_type());
  };
  EXPECT_TRUE(all_finite(at::full({9}, 65504.0).to(at::kHalf)));
  EXPECT_TRUE(all_finite(at::full({9}, -3.38e38).to(at::kBFloat16)));
  EXPECT_TRUE(all_finite(at::full({9}, std::numeric_limits<float>::max())));
  EXPECT_TRUE(
      all_finite(at::full({9}, std::numeric_limits<float>::denorm_min())));
  EXPECT_TRUE(all_finite(at::full({9}, -0.0)));
  EXPECT_TRUE(AllFinite(nullptr, 0, at::kFloat));
}

}  // namespace
}  // namespace cooper::torch_model
