#include "tests/bench/gpu/floors.h"

#include <gtest/gtest.h>

namespace cooper::bench {
namespace {

// An H200 as it was seen: 4.3 TB/s, 790 TFLOP/s. The expected figures are those
// of the work's own arithmetic for the 7B shape.
constexpr Rates kRates = {4.3e12, 790e12};
constexpr double kTera = 1e12;

Floors SevenB(int layers = 0) {
  return {*checkpoint::ShapeByName("7b", layers), 2};
}

TEST(FloorsTest, ADecodedTokenReadsTheWeightsAndItsContext) {
  const Work one = SevenB().Decode(1, 6000);
  EXPECT_NEAR(one.bytes / 1e9, 14.14 + 0.34, 0.02);
  EXPECT_NEAR(one.OverlappedSeconds(kRates) * 1e3, 3.37, 0.01);
  const Work many = SevenB().Decode(32, 6000);
  EXPECT_NEAR(many.bytes / 1e9, 25.2, 0.1);
  EXPECT_NEAR(many.flop / kTera, 0.53, 0.01);
  EXPECT_NEAR(many.OverlappedSeconds(kRates) * 1e3, 5.85, 0.02);
}

TEST(FloorsTest, PrefillIsItsProductsAndItsAttention) {
  // A VAE image, a ViT image and a text after each other.
  const Work work = SevenB().Prefill(
      {{4098, 4098}, {1371, 4098 + 1371}, {300, 4098 + 1371 + 150}});
  EXPECT_NEAR(work.flop / kTera, 85.7, 0.5);
  EXPECT_NEAR(work.OverlappedSeconds(kRates) * 1e3, 109, 1);
}

TEST(FloorsTest, ADenoisingStepGrowsWithLatentsAndBranches) {
  const std::vector<double> contexts = {5769, 5469, 300};
  const Work large = SevenB().DenoiseStep(4096, contexts);
  EXPECT_NEAR(large.flop / kTera, 200, 1);
  EXPECT_NEAR(large.OverlappedSeconds(kRates) * 1e3, 253, 1);
  // With an image of 512 x 512 px before it.
  EXPECT_NEAR(SevenB().DenoiseStep(1024, {2697, 2397, 300}).flop / kTera, 43.7,
              0.3);
  EXPECT_LT(SevenB().DenoiseStep(4096, {5769}).flop, large.flop / 2);
}

TEST(FloorsTest, FewerLayersAreLessWork) {
  const double whole = SevenB().DenoiseStep(4096, {5769}).flop;
  EXPECT_NEAR(SevenB(4).DenoiseStep(4096, {5769}).flop / whole, 4.0 / 28.0,
              1e-9);
  EXPECT_NEAR(SevenB(4).kv_bytes_per_token(), 4 * 2048, 1e-9);
  EXPECT_NEAR(SevenB().kv_bytes_per_token(), 57344, 1e-9);
}

TEST(FloorsTest, EncodersAreTheirConvolutionsAndProducts) {
  EXPECT_NEAR(SevenB().VisionEncode(37 * 37).flop / kTera, 1.4, 0.05);
  const Work encode = SevenB().VaeEncode(1024);
  const Work decode = SevenB().VaeDecode(1024);
  EXPECT_NEAR(encode.flop / kTera, 4.9, 0.1);
  EXPECT_NEAR(decode.flop / kTera, 10.5, 0.1);
  EXPECT_NEAR(encode.bytes / 1e9, 11, 1);
  EXPECT_NEAR(decode.bytes / 1e9, 21, 2);
}

TEST(FloorsTest, SerialWorkIsTheSumOfBoth) {
  const Work work = {790e12, 4.3e12};
  EXPECT_DOUBLE_EQ(work.OverlappedSeconds(kRates), 1.0);
  EXPECT_DOUBLE_EQ(work.SerialSeconds(kRates), 2.0);
}

}  // namespace
}  // namespace cooper::bench
