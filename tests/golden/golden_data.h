#ifndef COOPER_TESTS_GOLDEN_GOLDEN_DATA_H_
#define COOPER_TESTS_GOLDEN_GOLDEN_DATA_H_

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint/safetensors.h"
#include "model/image/image.h"
#include "model/options.h"

namespace cooper::golden {

// The golden cases of a directory (model-spec section 7): index.json and the
// files it names.
class GoldenData {
 public:
  // `directory` holds index.json, or a folder `cases` that does.
  static absl::StatusOr<std::unique_ptr<const GoldenData>> Open(
      const std::string& directory);

  const nlohmann::json& index() const { return index_; }
  // Cases of a kind, in their order.
  std::vector<const nlohmann::json*> Cases(const std::string& kind) const;
  const nlohmann::json* FindCase(const std::string& kind,
                                 const std::string& name) const;
  // A JSON file of the directory.
  absl::StatusOr<nlohmann::json> ReadJson(const std::string& name) const;

  bool Has(const nlohmann::json& golden, const std::string& tensor) const;
  // Tensor `case/tensor` of the case's kind; throws std::runtime_error naming
  // it where it is absent.
  at::Tensor Tensor(const nlohmann::json& golden,
                    const std::string& tensor) const;
  image::RgbImage Image(const nlohmann::json& golden,
                        const std::string& tensor) const;
  std::vector<int64_t> Integers(const nlohmann::json& golden,
                                const std::string& tensor) const;

 private:
  GoldenData() = default;

  std::string directory_;
  nlohmann::json index_;
  std::map<std::string, std::shared_ptr<const checkpoint::SafetensorsFile>>
      files_;
};

// An [H, W, 3] uint8 tensor as an image, and back.
image::RgbImage ToImage(const at::Tensor& tensor);
at::Tensor ToTensor(const image::RgbImage& image);

// Denoiser options out of a case's fields (`num_timesteps`, `cfg_...`).
model::FlowOptions FlowOptionsOf(const nlohmann::json& fields);

}  // namespace cooper::golden

#endif  // COOPER_TESTS_GOLDEN_GOLDEN_DATA_H_
