#include "tests/model/image/png_fixtures.h"

#include <zlib.h>

#include <algorithm>
#include <cstddef>

#include "base/check.h"

namespace cooper::image {
namespace {

struct Pass {
  int left, top, step_x, step_y;
};

constexpr Pass kWhole[] = {{0, 0, 1, 1}};
constexpr Pass kAdam7[] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8},
                           {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2},
                           {0, 1, 1, 2}};

int Channels(int colour_type) {
  switch (colour_type) {
    case kPngRgb:
      return 3;
    case kPngGreyAlpha:
      return 2;
    case kPngRgba:
      return 4;
    default:
      return 1;
  }
}

// One row: its filter byte (none), then the samples packed to bytes.
void AppendRow(const PngSpec& spec, const Pass& pass, int y,
               std::string& pixels) {
  pixels.push_back(0);
  uint32_t bits = 0;
  int bit_count = 0;
  for (int x = pass.left; x < spec.size.width; x += pass.step_x) {
    for (int c = 0; c < Channels(spec.colour_type); ++c) {
      bits = bits << spec.bit_depth | spec.sample(x, y, c);
      bit_count += spec.bit_depth;
      while (bit_count >= 8) {
        bit_count -= 8;
        pixels.push_back(static_cast<char>(bits >> bit_count & 0xff));
      }
    }
  }
  if (bit_count > 0) {
    pixels.push_back(static_cast<char>(bits << (8 - bit_count) & 0xff));
  }
}

template <size_t kCount>
void PrefillPasses(const PngSpec& spec, const Pass (&passes)[kCount],
                   std::string& pixels) {
  for (const Pass& pass : passes) {
    if (pass.left >= spec.size.width) continue;
    for (int y = pass.top; y < spec.size.height; y += pass.step_y) {
      AppendRow(spec, pass, y, pixels);
    }
  }
}

}  // namespace

std::string BigEndian(uint32_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) {
    text.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  }
  return text;
}

std::string Deflate(const std::string& data) {
  uLongf size = compressBound(data.size());
  std::string packed(size, '\0');
  COOPER_CHECK(compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                        reinterpret_cast<const Bytef*>(data.data()),
                        data.size()) == Z_OK);
  packed.resize(size);
  return packed;
}

std::string DeflateZeros(size_t count) {
  const std::string zeros(size_t{1} << 16, '\0');
  std::string room(size_t{1} << 16, '\0');
  std::string packed;
  z_stream stream = {};
  COOPER_CHECK(deflateInit(&stream, Z_BEST_COMPRESSION) == Z_OK);
  int result = Z_OK;
  while (result != Z_STREAM_END) {
    if (stream.avail_in == 0 && count > 0) {
      stream.next_in =
          reinterpret_cast<Bytef*>(const_cast<char*>(zeros.data()));
      stream.avail_in = static_cast<uInt>(std::min(count, zeros.size()));
      count -= stream.avail_in;
    }
    stream.next_out = reinterpret_cast<Bytef*>(room.data());
    stream.avail_out = static_cast<uInt>(room.size());
    result = deflate(&stream, count == 0 ? Z_FINISH : Z_NO_FLUSH);
    COOPER_CHECK(result != Z_STREAM_ERROR);
    packed.append(room, 0, room.size() - stream.avail_out);
  }
  deflateEnd(&stream);
  return packed;
}

std::string PngPixelData(const std::string& png) {
  std::string packed;
  for (size_t at = 8; at + 12 <= png.size();) {
    size_t length = 0;
    for (size_t i = 0; i < 4; ++i) {
      length = length << 8 | static_cast<uint8_t>(png[at + i]);
    }
    if (png.compare(at + 4, 4, "IDAT") == 0)
      packed += png.substr(at + 8, length);
    at += 12 + length;
  }
  std::string pixels(size_t{1} << 20, '\0');
  uLongf size = pixels.size();
  COOPER_CHECK(uncompress(reinterpret_cast<Bytef*>(pixels.data()), &size,
                          reinterpret_cast<const Bytef*>(packed.data()),
                          packed.size()) == Z_OK);
  pixels.resize(size);
  return pixels;
}

std::string PngChunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const uLong crc =
      crc32(0, reinterpret_cast<const Bytef*>(body.data()), body.size());
  return BigEndian(static_cast<uint32_t>(data.size()), 4) + body +
         BigEndian(static_cast<uint32_t>(crc), 4);
}

std::string PngHeader(uint32_t width, uint32_t height, int bit_depth,
                      int colour_type, bool interlaced) {
  std::string header = BigEndian(width, 4) + BigEndian(height, 4);
  header.push_back(static_cast<char>(bit_depth));
  header.push_back(static_cast<char>(colour_type));
  header += std::string(2, '\0');
  header.push_back(interlaced ? 1 : 0);
  return "\x89PNG\r\n\x1a\n" + PngChunk("IHDR", header);
}

std::string BuildPng(const PngSpec& spec) {
  std::string pixels;
  if (spec.interlaced) {
    PrefillPasses(spec, kAdam7, pixels);
  } else {
    PrefillPasses(spec, kWhole, pixels);
  }
  std::string file =
      PngHeader(static_cast<uint32_t>(spec.size.width),
                static_cast<uint32_t>(spec.size.height), spec.bit_depth,
                spec.colour_type, spec.interlaced);
  for (const auto& [type, data] : spec.chunks) file += PngChunk(type, data);
  return file + PngChunk("IDAT", Deflate(pixels)) + PngChunk("IEND", "");
}

std::string ExifBlock(int orientation, bool big_endian) {
  // Every number below is written big-endian and turned round if need be.
  const auto number = [big_endian](uint32_t value, int bytes) {
    std::string text = BigEndian(value, bytes);
    if (!big_endian) std::reverse(text.begin(), text.end());
    return text;
  };
  return std::string(big_endian ? "MM" : "II") + number(42, 2) + number(8, 4) +
         number(1, 2) +                                     // entries
         number(0x0112, 2) + number(3, 2) + number(1, 4) +  // one short
         number(static_cast<uint32_t>(orientation), 2) + number(0, 2) +
         number(0, 4);  // no further directory
}

size_t RedAt(Size size, int x, int y) {
  const auto width = static_cast<size_t>(size.width);
  return (static_cast<size_t>(y) * width + static_cast<size_t>(x)) * 3;
}

RgbImage Gradient(Size size) {
  RgbImage image{size, {}};
  for (int y = 0; y < size.height; ++y) {
    for (int x = 0; x < size.width; ++x) {
      image.pixels.push_back(static_cast<uint8_t>(x * 7 + y));
      image.pixels.push_back(static_cast<uint8_t>(y * 11));
      image.pixels.push_back(static_cast<uint8_t>(255 - x * 3 - y * 5));
    }
  }
  return image;
}

}  // namespace cooper::image
