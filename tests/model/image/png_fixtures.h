#ifndef COOPER_TESTS_MODEL_IMAGE_PNG_FIXTURES_H_
#define COOPER_TESTS_MODEL_IMAGE_PNG_FIXTURES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "model/image/image.h"

namespace cooper::image {

// Colour types of the PNG specification.
inline constexpr int kPngGrey = 0;
inline constexpr int kPngRgb = 2;
inline constexpr int kPngPalette = 3;
inline constexpr int kPngGreyAlpha = 4;
inline constexpr int kPngRgba = 6;

struct PngSpec {
  Size size;
  int bit_depth = 8;
  int colour_type = kPngRgb;
  bool interlaced = false;
  // The sample of channel `c` at (x, y), of bit_depth bits.
  std::function<uint32_t(int x, int y, int c)> sample;
  // Type and data of chunks between IHDR and IDAT, PLTE and tRNS among them.
  std::vector<std::pair<std::string, std::string>> chunks;
};

std::string BuildPng(const PngSpec& spec);
// The first bytes of a PNG: signature and IHDR.
std::string PngHeader(uint32_t width, uint32_t height, int bit_depth = 8,
                      int colour_type = kPngRgb, bool interlaced = false);
// Length, type, data and CRC.
std::string PngChunk(const std::string& type, const std::string& data);
// `data` as a zlib stream.
std::string Deflate(const std::string& data);
// A zlib stream of `count` zeros, made without holding them.
std::string DeflateZeros(size_t count);
// What the IDAT chunks of `png` inflate to: rows with their filter bytes.
std::string PngPixelData(const std::string& png);
std::string BigEndian(uint32_t value, int bytes);

// A TIFF block with one directory of one entry, the orientation.
std::string ExifBlock(int orientation, bool big_endian);

// Index of the red of pixel (x, y).
size_t RedAt(Size size, int x, int y);

// A picture in which every pixel differs from its neighbours.
RgbImage Gradient(Size size);

}  // namespace cooper::image

#endif  // COOPER_TESTS_MODEL_IMAGE_PNG_FIXTURES_H_
