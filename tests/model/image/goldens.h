#ifndef COOPER_TESTS_MODEL_IMAGE_GOLDENS_H_
#define COOPER_TESTS_MODEL_IMAGE_GOLDENS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/image/image.h"

namespace cooper::image {

// The golden tensors of one kind, small enough to be read whole. Ends the test
// program where the file is not what it should be.
class Goldens {
 public:
  // `kind` as in cases/index.json: "images", "maps".
  explicit Goldens(const std::string& kind);

  bool Has(const std::string& name) const { return tensors_.contains(name); }
  std::vector<int> Shape(const std::string& name) const;
  std::vector<uint8_t> Bytes(const std::string& name) const;
  std::vector<float> Floats(const std::string& name) const;
  // A uint8 tensor [height, width, 3].
  RgbImage Rgb(const std::string& name) const;
  // A float tensor [3, height, width] in [-1, 1], as pixels in [0, 1].
  FloatRgbImage Decoded(const std::string& name) const;

 private:
  struct Tensor {
    std::string dtype;
    std::vector<int> shape;
    std::string data;
  };
  const Tensor& Find(const std::string& name, const std::string& dtype) const;

  std::map<std::string, Tensor> tensors_;
};

// The text of a file below tests/data/goldens/cases.
std::string ReadGoldenFile(const std::string& name);

}  // namespace cooper::image

#endif  // COOPER_TESTS_MODEL_IMAGE_GOLDENS_H_
