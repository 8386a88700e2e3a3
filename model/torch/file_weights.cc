#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/torch/weight_upload.h"
#include "model/torch/weights.h"

namespace cooper::torch_model {
namespace {

using checkpoint::StoredTensor;

std::optional<at::ScalarType> FloatType(checkpoint::DType dtype) {
  switch (dtype) {
    case checkpoint::DType::kFloat32:
      return at::kFloat;
    case checkpoint::DType::kFloat16:
      return at::kHalf;
    case checkpoint::DType::kBFloat16:
      return at::kBFloat16;
    default:
      return std::nullopt;
  }
}

class FileWeights final : public WeightReader {
 public:
  FileWeights(const checkpoint::Checkpoint& checkpoint, Part part,
              const Device& device, model::LoadProgress* progress)
      : WeightReader(device),
        checkpoint_(checkpoint),
        part_(part),
        progress_(progress),
        upload_(device) {}

  absl::Status status() override;

 private:
  std::optional<at::ScalarType> StoredType(const std::string& name,
                                           at::IntArrayRef shape) override;
  void Fill(const std::string& name, const at::Tensor& destination) override;
  const StoredTensor* Find(const std::string& name) const;

  const checkpoint::Checkpoint& checkpoint_;
  const Part part_;
  model::LoadProgress* const progress_;
  WeightUpload upload_;
  absl::Status read_status_;  // the first failure
  std::vector<std::string> differences_;
};

const StoredTensor* FileWeights::Find(const std::string& name) const {
  return part_ == Part::kNetwork ? checkpoint_.FindNetwork(name)
                                 : checkpoint_.FindAutoencoder(name);
}

std::optional<at::ScalarType> FileWeights::StoredType(const std::string& name,
                                                      at::IntArrayRef shape) {
  const StoredTensor* stored = Find(name);
  const std::string wanted = absl::StrCat("[", absl::StrJoin(shape, ","), "]");
  if (stored == nullptr) {
    differences_.push_back(absl::StrCat(name, " ", wanted, " is missing"));
    return std::nullopt;
  }
  if (!std::equal(stored->shape.begin(), stored->shape.end(), shape.begin(),
                  shape.end())) {
    differences_.push_back(absl::StrCat(name, " is [",
                                        absl::StrJoin(stored->shape, ","),
                                        "] and should be ", wanted));
    return std::nullopt;
  }
  const std::optional<at::ScalarType> type = FloatType(stored->dtype);
  if (!type) {
    differences_.push_back(absl::StrCat(name, " is ",
                                        checkpoint::DTypeName(stored->dtype),
                                        " and should be a float"));
  }
  return type;
}

void FileWeights::Fill(const std::string& name, const at::Tensor& destination) {
  if (!read_status_.ok()) return;
  read_status_ = upload_.Fill(
      name, *FloatType(Find(name)->dtype),
      [&](size_t begin, size_t bytes, void* to) {
        if (progress_ != nullptr) progress_->Add(static_cast<int64_t>(bytes));
        return part_ == Part::kNetwork
                   ? checkpoint_.ReadNetwork(name, begin, bytes, to)
                   : checkpoint_.ReadAutoencoder(name, begin, bytes, to);
      },
      destination);
}

absl::Status FileWeights::status() {
  if (!read_status_.ok()) return read_status_;
  for (const std::string& name : upload_.Finish()) {
    differences_.push_back(
        absl::StrCat(name, " has values that are not finite"));
  }
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

}  // namespace

std::unique_ptr<WeightReader> MakeFileWeights(
    const checkpoint::Checkpoint& checkpoint, WeightReader::Part part,
    const Device& device, model::LoadProgress* progress) {
  return std::make_unique<FileWeights>(checkpoint, part, device, progress);
}

}  // namespace cooper::torch_model
