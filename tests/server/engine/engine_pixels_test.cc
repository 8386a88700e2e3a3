// Results follow from the pixels of an image, whatever file they came in.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "server/engine/engine.h"
#include "tests/model/image/jpeg_fixtures.h"
#include "tests/model/image/png_fixtures.h"
#include "tests/model/image/webp_fixtures.h"
#include "tests/server/engine/engine_harness.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using image::RgbImage;
using image::Size;

using Files = std::vector<std::pair<std::string, std::string>>;

constexpr Size kSize = {96, 80};

int At(const RgbImage& image, int x, int y, int c) {
  return image.pixels[image::RedAt(image.size, x, y) + static_cast<size_t>(c)];
}

// Few colours, so that a palette holds them all.
RgbImage Blocks() {
  RgbImage image{kSize, {}};
  for (int y = 0; y < kSize.height; ++y) {
    for (int x = 0; x < kSize.width; ++x) {
      const int block = (x / 8 + y / 8 * 3) % 50;
      for (int c : {block * 5, 255 - block * 3, block * 2}) {
        image.pixels.push_back(static_cast<uint8_t>(c));
      }
    }
  }
  return image;
}

image::PngSpec SpecOf(const RgbImage& image, int depth = 8) {
  image::PngSpec spec;
  spec.size = image.size;
  spec.bit_depth = depth;
  spec.sample = [&image, depth](int x, int y, int c) {
    const auto value = static_cast<uint32_t>(At(image, x, y, c));
    return depth == 16 ? value * 257 : value;
  };
  return spec;
}

std::string Palette(const RgbImage& image) {
  image::PngSpec spec;
  spec.size = image.size;
  spec.colour_type = image::kPngPalette;
  std::string colours;
  for (int i = 0; i < 50; ++i) {
    for (int c : {i * 5, 255 - i * 3, i * 2}) {
      colours.push_back(static_cast<char>(c));
    }
  }
  spec.chunks = {{"PLTE", colours}};
  spec.sample = [&image](int x, int y, int) {
    return static_cast<uint32_t>(At(image, x, y, 0) / 5);
  };
  return image::BuildPng(spec);
}

// Mirrored pixels, and the orientation that mirrors them back.
std::string Turned(const RgbImage& image) {
  image::PngSpec spec;
  spec.size = image.size;
  spec.sample = [&image](int x, int y, int c) {
    return static_cast<uint32_t>(
        At(image, image.size.width - 1 - x, image.size.height - 1 - y, c));
  };
  spec.chunks = {{"eXIf", image::ExifBlock(3, true)}};
  return image::BuildPng(spec);
}

std::string Opaque(const RgbImage& image) {
  image::PngSpec spec;
  spec.size = image.size;
  spec.colour_type = image::kPngRgba;
  spec.sample = [&image](int x, int y, int c) {
    return c == 3 ? 255U : static_cast<uint32_t>(At(image, x, y, c));
  };
  return image::BuildPng(spec);
}

Files FilesOf(const RgbImage& image) {
  image::PngSpec interlaced = SpecOf(image);
  interlaced.interlaced = true;
  image::PngSpec commented = SpecOf(image);
  commented.chunks = {{"tEXt", std::string("Title\0cat", 9)}};
  return {
      {"png", *image::EncodePng(image)},
      {"interlaced png", image::BuildPng(interlaced)},
      {"png with text", image::BuildPng(commented)},
      {"16-bit png", image::BuildPng(SpecOf(image, 16))},
      {"palette png", Palette(image)},
      {"opaque rgba png", Opaque(image)},
      {"turned png", Turned(image)},
      {"webp", image::BuildLosslessWebp(image)},
      {"animated webp", image::BuildAnimation(image.size, image, 0, 0, image)}};
}

Request QuestionAbout(std::string file, Mode mode = Mode::kInterleaved) {
  Request request = Question("a both question");
  request.task = ReasonTask{mode, 3};
  std::get<ImageInput>(request.inputs[0]).bytes = std::move(file);
  return request;
}

struct Outcome {
  std::vector<std::string> maps;
  int64_t input_tokens = 0;
  int64_t cached_tokens = 0;
};

Outcome RunOn(EngineHarness& harness, const Request& request) {
  const auto recorded = harness.Submit(request);
  EXPECT_OK(recorded->WaitDone());
  Outcome outcome;
  for (const MapEvent& map : recorded->All<MapEvent>()) {
    outcome.maps.push_back(*map.data);
  }
  for (const FinishedEvent& end : recorded->All<FinishedEvent>()) {
    outcome.input_tokens = end.usage.input_tokens;
    outcome.cached_tokens = end.usage.cached_tokens;
  }
  return outcome;
}

EngineOptions WithCache(int64_t bytes) {
  EngineOptions options;
  options.prefix_cache_bytes = bytes;
  return options;
}

TEST(EnginePixelsTest, EqualPixelsGiveEqualMapsWithoutTheCache) {
  EngineHarness harness(SmallScript(), WithCache(0));
  const RgbImage image = Blocks();
  const Outcome expected =
      RunOn(harness, QuestionAbout(*image::EncodePng(image)));
  ASSERT_FALSE(expected.maps.empty());
  for (const auto& [name, file] : FilesOf(image)) {
    EXPECT_EQ(RunOn(harness, QuestionAbout(file)).maps, expected.maps) << name;
  }
}

TEST(EnginePixelsTest, EqualPixelsShareThePrefix) {
  for (const Mode mode : {Mode::kInterleaved, Mode::kTextOnly}) {
    EngineHarness harness(SmallScript(), WithCache(int64_t{64} << 20));
    const RgbImage image = Blocks();
    const std::string png = *image::EncodePng(image);
    RunOn(harness, QuestionAbout(png, mode));
    const Outcome again = RunOn(harness, QuestionAbout(png, mode));
    ASSERT_GT(again.cached_tokens, 0);
    for (const auto& [name, file] : FilesOf(image)) {
      const Outcome other = RunOn(harness, QuestionAbout(file, mode));
      EXPECT_EQ(other.cached_tokens, again.cached_tokens) << name;
      EXPECT_EQ(other.maps, again.maps) << name;
    }
  }
}

Request QuestionAboutPixels(const RgbImage& image,
                            Mode mode = Mode::kInterleaved) {
  Request request = QuestionAbout("", mode);
  auto& input = std::get<ImageInput>(request.inputs[0]);
  input.bytes.assign(image.pixels.begin(), image.pixels.end());
  input.raw_size = image.size;
  return request;
}

TEST(EnginePixelsTest, RawPixelsAreTheirPng) {
  for (const Mode mode : {Mode::kInterleaved, Mode::kTextOnly}) {
    EngineHarness harness(SmallScript(), WithCache(int64_t{64} << 20));
    const RgbImage image = Blocks();
    const std::string png = *image::EncodePng(image);
    const Outcome first = RunOn(harness, QuestionAbout(png, mode));
    const Outcome again = RunOn(harness, QuestionAbout(png, mode));
    const Outcome raw = RunOn(harness, QuestionAboutPixels(image, mode));
    ASSERT_GT(again.cached_tokens, 0);
    EXPECT_EQ(raw.cached_tokens, again.cached_tokens);
    EXPECT_EQ(raw.maps, first.maps);
  }
  EngineHarness harness(SmallScript(), WithCache(0));
  const RgbImage image = Blocks();
  EXPECT_EQ(RunOn(harness, QuestionAboutPixels(image)).maps,
            RunOn(harness, QuestionAbout(*image::EncodePng(image))).maps);
}

TEST(EnginePixelsTest, TheDecodedPixelsOfAJpegAreTheJpeg) {
  EngineHarness harness(SmallScript(), WithCache(0));
  image::JpegSpec spec;
  spec.size = kSize;
  spec.pixels = Blocks().pixels;
  const std::string jpeg = image::BuildJpeg(spec);
  ASSERT_OK_AND_ASSIGN(const RgbImage decoded, image::DecodeImage(jpeg, {}));
  ASSERT_OK_AND_ASSIGN(const std::string png, image::EncodePng(decoded));
  EXPECT_EQ(RunOn(harness, QuestionAbout(jpeg)).maps,
            RunOn(harness, QuestionAbout(png)).maps);
}

TEST(EnginePixelsTest, OneOtherPixelIsAnotherImage) {
  EngineHarness harness(SmallScript(), WithCache(int64_t{64} << 20));
  RgbImage image = Blocks();
  const Outcome first = RunOn(harness, QuestionAbout(*image::EncodePng(image)));
  image.pixels.back() ^= 1;
  const Outcome other = RunOn(harness, QuestionAbout(*image::EncodePng(image)));
  EXPECT_NE(other.maps, first.maps);
  // Only the system text is shared.
  image.pixels.back() ^= 1;
  const Outcome again = RunOn(harness, QuestionAbout(*image::EncodePng(image)));
  EXPECT_LT(other.cached_tokens, again.cached_tokens);
}

}  // namespace
}  // namespace cooper::engine
