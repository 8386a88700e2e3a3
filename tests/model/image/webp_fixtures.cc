#include "tests/model/image/webp_fixtures.h"

#include <webp/encode.h>

#include <algorithm>
#include <cstddef>

#include "base/check.h"
#include "tests/model/image/png_fixtures.h"

namespace cooper::image {
namespace {

constexpr size_t kRiffHeader = 12;  // bytes
constexpr int kExifFlag = 0x08;
constexpr int kAnimationFlag = 0x02;

std::string LittleEndian(size_t value, int bytes) {
  std::string text = BigEndian(static_cast<uint32_t>(value), bytes);
  std::reverse(text.begin(), text.end());
  return text;
}

std::string Take(uint8_t* data, size_t bytes) {
  COOPER_CHECK(bytes > 0);
  std::string file(reinterpret_cast<const char*>(data), bytes);
  WebPFree(data);
  return file;
}

std::string Frame(const RgbImage& image, int x, int y) {
  const auto offset = [](int value) {
    return LittleEndian(static_cast<size_t>(value / 2), 3);
  };
  const auto side = [](int value) {
    return LittleEndian(static_cast<size_t>(value - 1), 3);
  };
  return RiffChunk("ANMF", offset(x) + offset(y) + side(image.size.width) +
                               side(image.size.height) + LittleEndian(100, 3) +
                               std::string(1, '\0') +
                               BuildLosslessWebp(image).substr(kRiffHeader));
}

}  // namespace

std::string BuildLosslessWebp(const RgbImage& image) {
  uint8_t* data = nullptr;
  const size_t bytes =
      WebPEncodeLosslessRGB(image.pixels.data(), image.size.width,
                            image.size.height, image.size.width * 3, &data);
  return Take(data, bytes);
}

std::string BuildLossyWebp(const RgbImage& image, float quality) {
  uint8_t* data = nullptr;
  const size_t bytes =
      WebPEncodeRGB(image.pixels.data(), image.size.width, image.size.height,
                    image.size.width * 3, quality, &data);
  return Take(data, bytes);
}

std::string BuildAlphaWebp(Size size, const std::vector<uint8_t>& rgba) {
  // WebPEncodeLosslessRGBA would change the colours of clear pixels.
  WebPConfig config;
  COOPER_CHECK(WebPConfigInit(&config) != 0);
  config.lossless = 1;
  config.exact = 1;
  WebPPicture picture;
  COOPER_CHECK(WebPPictureInit(&picture) != 0);
  picture.use_argb = 1;
  picture.width = size.width;
  picture.height = size.height;
  COOPER_CHECK(WebPPictureImportRGBA(&picture, rgba.data(), size.width * 4) !=
               0);
  WebPMemoryWriter writer;
  WebPMemoryWriterInit(&writer);
  picture.writer = &WebPMemoryWrite;
  picture.custom_ptr = &writer;
  COOPER_CHECK(WebPEncode(&config, &picture) != 0);
  std::string file(reinterpret_cast<const char*>(writer.mem), writer.size);
  WebPMemoryWriterClear(&writer);
  WebPPictureFree(&picture);
  return file;
}

std::string RiffChunk(const std::string& type, const std::string& data) {
  return type + LittleEndian(data.size(), 4) + data +
         std::string(data.size() % 2, '\0');
}

std::string RiffFile(const std::string& chunks) {
  return "RIFF" + LittleEndian(chunks.size() + 4, 4) + "WEBP" + chunks;
}

std::string ExtendedHeader(int flags, Size canvas) {
  return RiffChunk("VP8X",
                   LittleEndian(static_cast<size_t>(flags), 4) +
                       LittleEndian(static_cast<size_t>(canvas.width - 1), 3) +
                       LittleEndian(static_cast<size_t>(canvas.height - 1), 3));
}

std::string WithExifChunk(const std::string& webp, Size size,
                          const std::string& exif) {
  return RiffFile(ExtendedHeader(kExifFlag, size) + webp.substr(kRiffHeader) +
                  RiffChunk("EXIF", exif));
}

std::string BuildAnimation(Size canvas, const RgbImage& first, int x, int y,
                           const RgbImage& second) {
  return RiffFile(ExtendedHeader(kAnimationFlag, canvas) +
                  RiffChunk("ANIM", std::string(6, '\0')) + Frame(first, x, y) +
                  Frame(second, 0, 0));
}

}  // namespace cooper::image
