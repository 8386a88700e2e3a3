#include "model/torch/weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace cooper::torch_model {

const checkpoint::StoredTensor* WeightReader::Find(
    const std::string& name) const {
  return part_ == Part::kNetwork ? checkpoint_.FindNetwork(name)
                                 : checkpoint_.FindAutoencoder(name);
}

bool WeightReader::Has(const std::string& name) const {
  return Find(name) != nullptr;
}

at::Tensor WeightReader::Take(const std::string& name, at::IntArrayRef shape) {
  const checkpoint::StoredTensor* stored = Find(name);
  const std::string wanted = absl::StrCat("[", absl::StrJoin(shape, ","), "]");
  if (stored == nullptr) {
    differences_.push_back(absl::StrCat(name, " ", wanted, " is missing"));
    return at::zeros(shape);
  }
  if (!std::equal(stored->shape.begin(), stored->shape.end(), shape.begin(),
                  shape.end())) {
    differences_.push_back(absl::StrCat(name, " is [",
                                        absl::StrJoin(stored->shape, ","),
                                        "] and should be ", wanted));
    return at::zeros(shape);
  }
  at::ScalarType type;
  switch (stored->dtype) {
    case checkpoint::DType::kFloat32:
      type = at::kFloat;
      break;
    case checkpoint::DType::kFloat16:
      type = at::kHalf;
      break;
    case checkpoint::DType::kBFloat16:
      type = at::kBFloat16;
      break;
    default:
      differences_.push_back(absl::StrCat(name, " is ",
                                          checkpoint::DTypeName(stored->dtype),
                                          " and should be a float"));
      return at::zeros(shape);
  }
  at::Tensor tensor = at::empty(shape, type);
  const absl::Status read =
      part_ == Part::kNetwork
          ? checkpoint_.ReadNetwork(name, tensor.data_ptr())
          : checkpoint_.ReadAutoencoder(name, tensor.data_ptr());
  if (!read.ok()) {
    read_status_.Update(read);
    return at::zeros(shape);
  }
  parameters_ += tensor.numel();
  if (!at::isfinite(tensor).all().item<bool>()) {
    differences_.push_back(
        absl::StrCat(name, " has values that are not finite"));
  }
  return tensor;
}

absl::Status WeightReader::status() const {
  if (!read_status_.ok()) return read_status_;
  if (differences_.empty()) return absl::OkStatus();
  const auto shown = std::min<std::ptrdiff_t>(
      static_cast<std::ptrdiff_t>(differences_.size()), 5);
  return absl::DataLossError(absl::StrCat(
      part_ == Part::kNetwork ? "weights" : "ae.safetensors",
      " do not fit the configuration: ",
      absl::StrJoin(differences_.begin(), differences_.begin() + shown, "; "),
      static_cast<std::ptrdiff_t>(differences_.size()) > shown
          ? absl::StrCat(
                "; and ",
                static_cast<std::ptrdiff_t>(differences_.size()) - shown,
                " more")
          : ""));
}

}  // namespace cooper::torch_model
