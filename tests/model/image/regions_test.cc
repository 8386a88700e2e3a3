#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <vector>

#include "model/image/maps.h"
#include "tests/model/image/png_fixtures.h"

namespace cooper::image {
namespace {

using Colour = std::array<uint8_t, 3>;

constexpr Colour kBlack = {0, 0, 0};
constexpr Colour kRed = {220, 40, 40};
constexpr Colour kBlue = {45, 80, 225};
constexpr Colour kGreen = {40, 170, 60};

class Canvas {
 public:
  Canvas(Size size, Colour colour) {
    image_.size = size;
    image_.pixels.resize(RedAt(size, 0, size.height));
    Fill(0, 0, size.width, size.height, colour);
  }
  void Fill(int left, int top, int right, int bottom, Colour colour) {
    for (int y = top; y < bottom; ++y) {
      for (int x = left; x < right; ++x) Set(x, y, colour);
    }
  }
  void Set(int x, int y, Colour colour) {
    std::copy(colour.begin(), colour.end(), At(x, y));
  }
  // Each pixel becomes the mean of the square around it.
  void Blur(int radius) {
    const Canvas sharp = *this;
    const Size size = image_.size;
    for (int y = 0; y < size.height; ++y) {
      for (int x = 0; x < size.width; ++x) {
        std::array<int, 3> sum = {};
        int count = 0;
        for (int v = std::max(y - radius, 0);
             v <= std::min(y + radius, size.height - 1); ++v) {
          for (int u = std::max(x - radius, 0);
               u <= std::min(x + radius, size.width - 1); ++u) {
            for (size_t c = 0; c < 3; ++c) sum[c] += sharp.Value(u, v, c);
            ++count;
          }
        }
        for (size_t c = 0; c < 3; ++c) {
          At(x, y)[c] = static_cast<uint8_t>(sum[c] / count);
        }
      }
    }
  }
  void AddNoise(double deviation) {
    std::mt19937 generator(7);
    std::normal_distribution<double> noise(0, deviation);
    for (uint8_t& value : image_.pixels) {
      value = static_cast<uint8_t>(
          std::clamp(value + noise(generator), 0.0, 255.0));
    }
  }
  const RgbImage& image() const { return image_; }

 private:
  uint8_t* At(int x, int y) {
    return image_.pixels.data() + RedAt(image_.size, x, y);
  }
  int Value(int x, int y, size_t c) const {
    return image_.pixels[RedAt(image_.size, x, y) + c];
  }
  RgbImage image_;
};

void ExpectNear(const Region& region, Colour colour, int tolerance) {
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_LE(std::abs(region.colour[c] - colour[c]), tolerance);
  }
}

void ExpectBox(const Region& region, int left, int top, int right, int bottom,
               int tolerance) {
  EXPECT_NEAR(region.left, left, tolerance);
  EXPECT_NEAR(region.top, top, tolerance);
  EXPECT_NEAR(region.right, right, tolerance);
  EXPECT_NEAR(region.bottom, bottom, tolerance);
}

TEST(RegionsTest, CleanShapesAreMeasuredExactly) {
  Canvas canvas({96, 80}, kBlack);
  canvas.Fill(10, 20, 40, 60, kRed);
  canvas.Fill(50, 0, 96, 10, kBlue);
  const std::vector<Region> regions = FindRegions(canvas.image());
  ASSERT_EQ(regions.size(), 3u);
  // The median rounds a corner off by a pixel.
  EXPECT_NEAR(regions[0].area, 96 * 80 - 30 * 40 - 46 * 10, 8);
  ExpectBox(regions[0], 0, 0, 96, 80, 0);
  EXPECT_NEAR(regions[1].area, 30 * 40, 4);
  ExpectNear(regions[1], kRed, 0);
  ExpectBox(regions[1], 10, 20, 40, 60, 0);
  EXPECT_NEAR(regions[2].area, 46 * 10, 4);
  ExpectNear(regions[2], kBlue, 0);
  ExpectBox(regions[2], 50, 0, 96, 10, 0);
}

TEST(RegionsTest, ADrawnMapGivesItsObjectsAndNoRings) {
  Canvas canvas({256, 256}, kBlack);
  canvas.Fill(20, 20, 120, 140, kRed);
  canvas.Fill(120, 60, 200, 140, kBlue);  // touches the red one
  canvas.Fill(60, 180, 110, 230, kGreen);
  canvas.Blur(2);
  canvas.AddNoise(8);
  const std::vector<Region> regions = FindRegions(canvas.image());
  ASSERT_EQ(regions.size(), 4u);
  ExpectBox(regions[1], 20, 20, 120, 140, 3);
  ExpectNear(regions[1], kRed, 8);
  EXPECT_NEAR(regions[1].area, 100 * 120, 400);
  ExpectBox(regions[2], 120, 60, 200, 140, 3);
  ExpectNear(regions[2], kBlue, 8);
  ExpectBox(regions[3], 60, 180, 110, 230, 3);
  ExpectNear(regions[3], kGreen, 8);
}

TEST(RegionsTest, EqualColoursApartAreTwoRegions) {
  Canvas canvas({64, 64}, kBlack);
  canvas.Fill(4, 4, 20, 20, kRed);
  canvas.Fill(30, 30, 60, 60, kRed);
  const std::vector<Region> regions = FindRegions(canvas.image());
  ASSERT_EQ(regions.size(), 3u);
  ExpectBox(regions[1], 30, 30, 60, 60, 0);
  ExpectBox(regions[2], 4, 4, 20, 20, 0);
}

TEST(RegionsTest, CornersConnect) {
  Canvas canvas({64, 64}, kBlack);
  canvas.Fill(0, 0, 32, 32, kRed);
  canvas.Fill(32, 32, 64, 64, kRed);
  const std::vector<Region> regions = FindRegions(canvas.image());
  // Both pairs of squares meet at their corners; one pair is joined there,
  // which one depends on the smoothing.
  EXPECT_LE(regions.size(), 3u);
  int64_t area = 0;
  for (const Region& region : regions) area += region.area;
  EXPECT_EQ(area, 64 * 64);
}

TEST(RegionsTest, SpeckledPixelsBelongToNoRegion) {
  Canvas canvas({100, 100}, kBlack);
  for (int i = 0; i < 30; ++i) canvas.Set(i * 3, (i * 37) % 100, kRed);
  const std::vector<Region> regions = FindRegions(canvas.image());
  ASSERT_EQ(regions.size(), 1u);
  EXPECT_EQ(regions[0].area, 10000);
}

TEST(RegionsTest, TheSmallestAreaIsAFraction) {
  Canvas canvas({100, 100}, kBlack);
  canvas.Fill(10, 10, 20, 20, kRed);  // 1 % less its corners
  EXPECT_EQ(FindRegions(canvas.image(), 0.005).size(), 2u);
  EXPECT_EQ(FindRegions(canvas.image(), 0.02).size(), 1u);
}

TEST(RegionsTest, AtMost256RegionsLargestFirst) {
  Canvas canvas({400, 400}, kBlack);
  for (int row = 0; row < 20; ++row) {
    for (int column = 0; column < 20; ++column) {
      canvas.Fill(column * 20, row * 20, column * 20 + 12, row * 20 + 12, kRed);
    }
  }
  const std::vector<Region> regions = FindRegions(canvas.image(), 0);
  EXPECT_EQ(regions.size(), 256u);
  EXPECT_TRUE(std::is_sorted(
      regions.begin(), regions.end(),
      [](const Region& a, const Region& b) { return a.area > b.area; }));
}

TEST(RegionsTest, NoiseAloneEndsAndStaysInBounds) {
  Canvas canvas({300, 200}, {128, 128, 128});
  canvas.AddNoise(90);
  const std::vector<Region> regions = FindRegions(canvas.image(), 0);
  EXPECT_LE(regions.size(), 256u);
  for (const Region& region : regions) {
    EXPECT_GE(region.left, 0);
    EXPECT_LT(region.left, region.right);
    EXPECT_LE(region.right, 300);
    EXPECT_LT(region.top, region.bottom);
    EXPECT_LE(region.bottom, 200);
    EXPECT_LE(region.area, int64_t{region.right - region.left} *
                               (region.bottom - region.top));
  }
}

TEST(RegionsTest, SmallestPictures) {
  EXPECT_TRUE(FindRegions({}).empty());
  const std::vector<Region> regions = FindRegions({{1, 1}, {9, 8, 7}});
  ASSERT_EQ(regions.size(), 1u);
  EXPECT_EQ(regions[0].area, 1);
  EXPECT_EQ(regions[0].colour, (Colour{9, 8, 7}));
  EXPECT_EQ(FindRegions(Canvas({2, 1}, kRed).image()).size(), 1u);
}

}  // namespace
}  // namespace cooper::image
