#ifndef COOPER_TESTS_MODEL_IMAGE_WEBP_FIXTURES_H_
#define COOPER_TESTS_MODEL_IMAGE_WEBP_FIXTURES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "model/image/image.h"

namespace cooper::image {

std::string BuildLosslessWebp(const RgbImage& image);
std::string BuildLossyWebp(const RgbImage& image, float quality);
// Rows of R G B A, lossless.
std::string BuildAlphaWebp(Size size, const std::vector<uint8_t>& rgba);

// A whole file of the extended format around the picture of `webp`.
std::string WithExifChunk(const std::string& webp, Size size,
                          const std::string& exif);

// An animation of two frames with white `canvas`; `first` lies at (x, y), both
// even.
std::string BuildAnimation(Size canvas, const RgbImage& first, int x, int y,
                           const RgbImage& second);

// RIFF header around chunks.
std::string RiffFile(const std::string& chunks);
std::string RiffChunk(const std::string& type, const std::string& data);
// The VP8X chunk.
std::string ExtendedHeader(int flags, Size canvas);

}  // namespace cooper::image

#endif  // COOPER_TESTS_MODEL_IMAGE_WEBP_FIXTURES_H_
