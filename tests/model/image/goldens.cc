#include "tests/model/image/goldens.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/check.h"

namespace cooper::image {

std::string ReadGoldenFile(const std::string& name) {
  std::ifstream file(std::string(COOPER_TEST_DATA "/goldens/cases/") + name,
                     std::ios::binary);
  COOPER_CHECK(file.good());
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Goldens::Goldens(const std::string& kind) {
  const std::string file = ReadGoldenFile(kind + ".safetensors");
  uint64_t header_bytes = 0;
  COOPER_CHECK(file.size() > sizeof(header_bytes));
  std::memcpy(&header_bytes, file.data(), sizeof(header_bytes));
  const std::string header = file.substr(sizeof(header_bytes), header_bytes);
  const size_t data = sizeof(header_bytes) + header_bytes;
  const nlohmann::json tensors = nlohmann::json::parse(header);
  for (const auto& [name, entry] : tensors.items()) {
    if (name == "__metadata__") continue;
    const size_t begin = entry["data_offsets"][0];
    const size_t end = entry["data_offsets"][1];
    tensors_[name] = {entry["dtype"], entry["shape"],
                      file.substr(data + begin, end - begin)};
  }
}

const Goldens::Tensor& Goldens::Find(const std::string& name,
                                     const std::string& dtype) const {
  const auto found = tensors_.find(name);
  COOPER_CHECK(found != tensors_.end());
  COOPER_CHECK(found->second.dtype == dtype);
  return found->second;
}

std::vector<int> Goldens::Shape(const std::string& name) const {
  const auto found = tensors_.find(name);
  COOPER_CHECK(found != tensors_.end());
  return found->second.shape;
}

std::vector<uint8_t> Goldens::Bytes(const std::string& name) const {
  const std::string& data = Find(name, "U8").data;
  return std::vector<uint8_t>(data.begin(), data.end());
}

std::vector<float> Goldens::Floats(const std::string& name) const {
  const std::string& data = Find(name, "F32").data;
  std::vector<float> values(data.size() / sizeof(float));
  std::memcpy(values.data(), data.data(), data.size());
  return values;
}

RgbImage Goldens::Rgb(const std::string& name) const {
  const std::vector<int> shape = Shape(name);
  COOPER_CHECK(shape.size() == 3 && shape[2] == 3);
  return {{shape[1], shape[0]}, Bytes(name)};
}

FloatRgbImage Goldens::Decoded(const std::string& name) const {
  const std::vector<int> shape = Shape(name);
  COOPER_CHECK(shape.size() == 3 && shape[0] == 3);
  const std::vector<float> planes = Floats(name);
  const size_t pixels = planes.size() / 3;
  FloatRgbImage image{{shape[2], shape[1]}, std::vector<float>(planes.size())};
  for (size_t i = 0; i < pixels; ++i) {
    for (size_t c = 0; c < 3; ++c) {
      image.pixels[3 * i + c] =
          std::clamp(planes[c * pixels + i] * 0.5f + 0.5f, 0.0f, 1.0f);
    }
  }
  return image;
}

}  // namespace cooper::image
