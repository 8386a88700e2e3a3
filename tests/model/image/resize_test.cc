#include "model/image/resize.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/model/image/goldens.h"
#include "tests/model/image/png_fixtures.h"

namespace cooper::image {
namespace {

using model::ImageRule;

constexpr int64_t kGoldenPixels = 12000;
const ImageRule kGoldenVae = {128, 64, 16, kGoldenPixels};
const ImageRule kGoldenVit = {112, 56, 14, kGoldenPixels};

ImageRule RuleOf(const nlohmann::json& rule, int64_t max_pixels) {
  return {rule["max"], rule["min"], rule["stride"], max_pixels};
}

Size SizeOf(const nlohmann::json& size) { return {size[0], size[1]}; }

TEST(ResizedSizeTest, GoldenSizesOfTheSevenBillionRules) {
  const nlohmann::json golden =
      nlohmann::json::parse(ReadGoldenFile("sizes.json"));
  const int64_t max_pixels = golden["max_pixels"];
  const ImageRule vae = RuleOf(golden["rules"]["vae"], max_pixels);
  const ImageRule vit = RuleOf(golden["rules"]["vit"], max_pixels);
  const ImageRule bagel = RuleOf(golden["rules"]["vit_bagel"], max_pixels);
  ASSERT_GE(golden["sizes"].size(), 100u);
  for (const nlohmann::json& row : golden["sizes"]) {
    SCOPED_TRACE(row.dump());
    const Size raw = SizeOf(row["raw"]);
    const Size resized = ResizedSize(raw, vae);
    EXPECT_EQ(resized, SizeOf(row["vae"]));
    EXPECT_EQ(ResizedSize(resized, vae), SizeOf(row["vae_again"]));
    EXPECT_EQ(ResizedSize(resized, vit), SizeOf(row["vit_of_vae"]));
    EXPECT_EQ(ResizedSize(raw, vit), SizeOf(row["vit"]));
    EXPECT_EQ(ResizedSize(resized, bagel), SizeOf(row["vit_bagel_of_vae"]));
  }
}

TEST(ResizedSizeTest, GoldenImageSizesUnderTheSmallRules) {
  const nlohmann::json index =
      nlohmann::json::parse(ReadGoldenFile("index.json"));
  int checked = 0;
  for (const nlohmann::json& golden : index["cases"]) {
    if (golden["kind"] != "images" || !golden.contains("raw")) continue;
    SCOPED_TRACE(golden["name"]);
    const Size vae = ResizedSize(SizeOf(golden["raw"]), kGoldenVae);
    EXPECT_EQ(vae, SizeOf(golden["vae"]));
    EXPECT_EQ(ResizedSize(vae, kGoldenVae), SizeOf(golden["vae_again"]));
    EXPECT_EQ(ResizedSize(vae, kGoldenVit), SizeOf(golden["vit"]));
    ++checked;
  }
  EXPECT_GE(checked, 10);
}

TEST(ResizedSizeTest, ThinStripsDoNotOverflow) {
  const ImageRule rule;
  // 1 x 10^6 is 512 x 512*10^6 on its way; the long edge wins.
  EXPECT_EQ(ResizedSize({1, 1000000}, rule), (Size{16, 1024}));
  EXPECT_EQ(ResizedSize({1000000, 1}, rule), (Size{1024, 16}));
  const int most = std::numeric_limits<int>::max();
  for (const Size size : {Size{1, most}, Size{most, 1}, Size{most, most}}) {
    const Size resized = ResizedSize(size, rule);
    EXPECT_LE(resized.width, 1024);
    EXPECT_LE(resized.height, 1024);
    EXPECT_GE(resized.width, 16);
    EXPECT_GE(resized.height, 16);
  }
}

TEST(ResizeTest, GoldenPixelsAreEqualBitForBit) {
  const Goldens goldens("images");
  for (const char* name : {"plain", "wide", "tall", "tiny", "large", "square",
                           "exact", "strip", "odd", "small"}) {
    SCOPED_TRACE(name);
    const std::string prefix = std::string(name) + "/";
    const RgbImage vae = ApplyRule(goldens.Rgb(prefix + "raw_u8"), kGoldenVae);
    const RgbImage golden_vae = goldens.Rgb(prefix + "vae_u8");
    EXPECT_EQ(vae.size, golden_vae.size);
    EXPECT_EQ(vae.pixels, golden_vae.pixels);
    const RgbImage vit = ApplyRule(golden_vae, kGoldenVit);
    const RgbImage golden_vit = goldens.Rgb(prefix + "vit_u8");
    EXPECT_EQ(vit.size, golden_vit.size);
    EXPECT_EQ(vit.pixels, golden_vit.pixels);
  }
}

TEST(ResizeTest, GoldenMapsFedBackAreEqualBitForBit) {
  const Goldens goldens("maps");
  for (const char* name : {"plain", "small"}) {
    SCOPED_TRACE(name);
    const std::string depth = std::string("depth_") + name;
    EXPECT_EQ(ApplyRule(goldens.Rgb(depth + "/colour_u8"), kGoldenVit).pixels,
              goldens.Rgb(depth + "/back/pixels_u8").pixels);
    const std::string segmentation = std::string("segmentation_") + name;
    EXPECT_EQ(
        ApplyRule(goldens.Rgb(segmentation + "/map_u8"), kGoldenVit).pixels,
        goldens.Rgb(segmentation + "/back/pixels_u8").pixels);
  }
}

TEST(ResizeTest, AnUnchangedSizeIsNotResampled) {
  const RgbImage image = Gradient({33, 17});
  EXPECT_EQ(Resize(image, image.size).pixels, image.pixels);
}

TEST(ResizeTest, AConstantPictureStaysConstant) {
  RgbImage image{{130, 70}, {}};
  for (int i = 0; i < 130 * 70; ++i) {
    image.pixels.insert(image.pixels.end(), {0, 255, 93});
  }
  for (const Size size : {Size{31, 200}, Size{500, 7}, Size{1, 1}}) {
    const RgbImage resized = Resize(image, size);
    ASSERT_EQ(resized.pixels.size(),
              static_cast<size_t>(size.width * size.height * 3));
    for (size_t i = 0; i < resized.pixels.size(); i += 3) {
      ASSERT_EQ(resized.pixels[i], 0);
      ASSERT_EQ(resized.pixels[i + 1], 255);
      ASSERT_EQ(resized.pixels[i + 2], 93);
    }
  }
}

TEST(ResizeTest, OvershootIsClampedAfterEachPass) {
  // A black and white edge rings beyond both ends of the range.
  RgbImage image{{16, 16}, {}};
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 16; ++x) {
      image.pixels.insert(image.pixels.end(), 3, x < 8 ? 0 : 255);
    }
  }
  const RgbImage resized = Resize(image, {64, 16});
  EXPECT_EQ(resized.pixels[0], 0);
  EXPECT_EQ(resized.pixels[RedAt(resized.size, 28, 0)], 0);  // would be below 0
  EXPECT_EQ(resized.pixels[RedAt(resized.size, 35, 0)],
            255);  // would be above 255
}

TEST(ResizeTest, OnePixelFillsAnySize) {
  const RgbImage image{{1, 1}, {10, 20, 30}};
  const RgbImage resized = Resize(image, {16, 48});
  ASSERT_EQ(resized.pixels.size(), 16u * 48 * 3);
  EXPECT_EQ(resized.pixels[RedAt(resized.size, 9, 40)], 10);
  EXPECT_EQ(resized.pixels.back(), 30);
}

}  // namespace
}  // namespace cooper::image
