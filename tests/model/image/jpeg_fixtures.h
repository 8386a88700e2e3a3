#ifndef COOPER_TESTS_MODEL_IMAGE_JPEG_FIXTURES_H_
#define COOPER_TESTS_MODEL_IMAGE_JPEG_FIXTURES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "model/image/image.h"

namespace cooper::image {

enum class JpegColour { kGrey, kYcc, kRgb, kCmyk, kYcck };

struct JpegSpec {
  Size size;
  JpegColour colour = JpegColour::kYcc;
  // Rows of 1 (grey), 3 (RGB) or 4 (CMYK) bytes a pixel.
  std::vector<uint8_t> pixels;
  bool progressive = false;
  bool many_scans = false;      // grey only: 253 scans
  bool separate_scans = false;  // sequential, one scan a component
  bool arithmetic = false;
  int restart_rows = 0;  // MCU rows between restart markers; 0: none
};

// Quality 100, no chroma subsampling.
std::string BuildJpeg(const JpegSpec& spec);

// `jpeg` with an APP1 segment of "Exif\0\0" and `exif` after its first marker.
std::string WithExif(const std::string& jpeg, const std::string& exif);

}  // namespace cooper::image

#endif  // COOPER_TESTS_MODEL_IMAGE_JPEG_FIXTURES_H_
