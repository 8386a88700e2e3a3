#include "model/image/compose.h"

#include "base/check.h"

namespace cooper::image {
namespace {

// round(value / 255) for 0 <= value <= 255 * 255.
constexpr int DivideBy255(int value) {
  const int shifted = value + 128;
  return (shifted + (shifted >> 8)) >> 8;
}

size_t PixelCount(Size size) {
  COOPER_CHECK(size.width >= 0 && size.height >= 0);
  return static_cast<size_t>(size.width) * static_cast<size_t>(size.height);
}

}  // namespace

void ComposePixelsOnWhite(const uint8_t* rgba, size_t pixels, uint8_t* rgb) {
  for (size_t i = 0; i < pixels; ++i, rgba += 4, rgb += 3) {
    const int alpha = rgba[3];
    const int white = 255 * (255 - alpha);
    for (int c = 0; c < 3; ++c) {
      rgb[c] = static_cast<uint8_t>(DivideBy255(rgba[c] * alpha + white));
    }
  }
}

void InvertedCmykToRgb(const uint8_t* cmyk, size_t pixels, uint8_t* rgb) {
  for (size_t i = 0; i < pixels; ++i, cmyk += 4, rgb += 3) {
    const int light = cmyk[3];
    for (int c = 0; c < 3; ++c) {
      rgb[c] =
          static_cast<uint8_t>(light - DivideBy255((255 - cmyk[c]) * light));
    }
  }
}

RgbImage ComposeOnWhite(Size size, absl::Span<const uint8_t> rgba) {
  const size_t pixels = PixelCount(size);
  COOPER_CHECK(rgba.size() == pixels * 4);
  RgbImage image{size, std::vector<uint8_t>(pixels * 3)};
  ComposePixelsOnWhite(rgba.data(), pixels, image.pixels.data());
  return image;
}

RgbImage GreyToRgb(Size size, absl::Span<const uint8_t> grey) {
  const size_t pixels = PixelCount(size);
  COOPER_CHECK(grey.size() == pixels);
  RgbImage image{size, std::vector<uint8_t>(pixels * 3)};
  uint8_t* rgb = image.pixels.data();
  for (uint8_t value : grey) {
    *rgb++ = value;
    *rgb++ = value;
    *rgb++ = value;
  }
  return image;
}

}  // namespace cooper::image
