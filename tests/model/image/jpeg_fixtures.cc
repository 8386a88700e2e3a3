#include "tests/model/image/jpeg_fixtures.h"

#include <cstdlib>

#include "model/image/jpeg_library.h"

namespace cooper::image {
namespace {

J_COLOR_SPACE InputSpace(JpegColour colour) {
  switch (colour) {
    case JpegColour::kGrey:
      return JCS_GRAYSCALE;
    case JpegColour::kYcc:
    case JpegColour::kRgb:
      return JCS_RGB;
    case JpegColour::kCmyk:
    case JpegColour::kYcck:
      return JCS_CMYK;
  }
  return JCS_UNKNOWN;
}

J_COLOR_SPACE FileSpace(JpegColour colour) {
  switch (colour) {
    case JpegColour::kYcc:
      return JCS_YCbCr;
    case JpegColour::kYcck:
      return JCS_YCCK;
    default:
      return InputSpace(colour);
  }
}

int Components(JpegColour colour) {
  return colour == JpegColour::kGrey                                  ? 1
         : colour == JpegColour::kCmyk || colour == JpegColour::kYcck ? 4
                                                                      : 3;
}

// DC, then every AC coefficient alone in four steps of precision.
std::vector<jpeg_scan_info> ManyScans() {
  std::vector<jpeg_scan_info> scans = {{1, {0}, 0, 0, 0, 0}};
  for (int k = 1; k < 64; ++k) {
    scans.push_back({1, {0}, k, k, 0, 3});
    for (int bit = 3; bit > 0; --bit) {
      scans.push_back({1, {0}, k, k, bit, bit - 1});
    }
  }
  return scans;
}

std::vector<jpeg_scan_info> SeparateScans(int components) {
  std::vector<jpeg_scan_info> scans;
  scans.reserve(static_cast<size_t>(components));
  for (int i = 0; i < components; ++i) {
    scans.push_back({1, {i}, 0, DCTSIZE2 - 1, 0, 0});
  }
  return scans;
}

}  // namespace

std::string BuildJpeg(const JpegSpec& spec) {
  jpeg_error_mgr errors;
  jpeg_compress_struct codec;
  codec.err = jpeg_std_error(&errors);
  jpeg_create_compress(&codec);
  unsigned char* data = nullptr;
  unsigned long bytes = 0;
  jpeg_mem_dest(&codec, &data, &bytes);
  codec.image_width = static_cast<JDIMENSION>(spec.size.width);
  codec.image_height = static_cast<JDIMENSION>(spec.size.height);
  codec.input_components = Components(spec.colour);
  codec.in_color_space = InputSpace(spec.colour);
  jpeg_set_defaults(&codec);
  jpeg_set_colorspace(&codec, FileSpace(spec.colour));
  jpeg_set_quality(&codec, 100, TRUE);
  for (int i = 0; i < codec.num_components; ++i) {
    codec.comp_info[i].h_samp_factor = 1;
    codec.comp_info[i].v_samp_factor = 1;
  }
  const std::vector<jpeg_scan_info> scans =
      spec.separate_scans ? SeparateScans(codec.num_components) : ManyScans();
  if (spec.many_scans || spec.separate_scans) {
    codec.scan_info = scans.data();
    codec.num_scans = static_cast<int>(scans.size());
  } else if (spec.progressive) {
    jpeg_simple_progression(&codec);
  }
  codec.arith_code = spec.arithmetic ? TRUE : FALSE;
  codec.restart_in_rows = spec.restart_rows;
  jpeg_start_compress(&codec, TRUE);
  const size_t row_bytes = static_cast<size_t>(spec.size.width) *
                           static_cast<size_t>(codec.input_components);
  while (codec.next_scanline < codec.image_height) {
    auto* row = const_cast<JSAMPLE*>(spec.pixels.data() +
                                     codec.next_scanline * row_bytes);
    jpeg_write_scanlines(&codec, &row, 1);
  }
  jpeg_finish_compress(&codec);
  jpeg_destroy_compress(&codec);
  std::string file(reinterpret_cast<const char*>(data), bytes);
  std::free(data);
  return file;
}

std::string WithExif(const std::string& jpeg, const std::string& exif) {
  const std::string data = std::string("Exif\0\0", 6) + exif;
  const size_t length = data.size() + 2;
  std::string segment = "\xff\xe1";
  segment.push_back(static_cast<char>(length >> 8));
  segment.push_back(static_cast<char>(length & 0xff));
  return jpeg.substr(0, 2) + segment + data + jpeg.substr(2);
}

}  // namespace cooper::image
