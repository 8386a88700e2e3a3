#include "model/torch/weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace cooper::torch_model {

const checkpoint::TensorView* WeightReader::Find(
    const std::string& name) const {
  return part_ == Part::kNetwork ? checkpoint_.FindNetwork(name)
                                 : checkpoint_.FindAutoencoder(name);
}

bool WeightReader::Has(const std::string& name) const {
  return Find(name) != nullptr;
}

at::Tensor WeightReader::Take(const std::string& name, at::IntArrayRef shape) {
  const checkpoint::TensorView* view = Find(name);
  const std::string wanted = absl::StrCat("[", absl::StrJoin(shape, ","), "]");
  if (view == nullptr) {
    differences_.push_back(absl::StrCat(name, " ", wanted, " is missing"));
    return at::zeros(shape);
  }
  if (!std::equal(view->shape.begin(), view->shape.end(), shape.begin(),
                  shape.end())) {
    differences_.push_back(absl::StrCat(name, " is [",
                                        absl::StrJoin(view->shape, ","),
                                        "] and should be ", wanted));
    return at::zeros(shape);
  }
  at::ScalarType type;
  switch (view->dtype) {
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
                                          checkpoint::DTypeName(view->dtype),
                                          " and should be a float"));
      return at::zeros(shape);
  }
  at::Tensor tensor = at::empty(shape, type);
  // The file's data may be unaligned, so it is copied rather than wrapped.
  std::memcpy(tensor.data_ptr(), view->data, view->bytes);
  parameters_ += tensor.numel();
  if (!at::isfinite(tensor).all().item<bool>()) {
    differences_.push_back(
        absl::StrCat(name, " has values that are not finite"));
  }
  return tensor;
}

absl::Status WeightReader::status() const {
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
