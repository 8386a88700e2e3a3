#include "tests/golden/golden_data.h"

#include <ATen/ops/empty.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace cooper::golden {
namespace {

absl::StatusOr<nlohmann::json> ParseFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat("no ", path));
  nlohmann::json json = nlohmann::json::parse(file, nullptr, false);
  if (json.is_discarded()) {
    return absl::DataLossError(absl::StrCat(path, " is not JSON"));
  }
  return json;
}

}  // namespace

absl::StatusOr<std::unique_ptr<const GoldenData>> GoldenData::Open(
    const std::string& directory) {
  std::unique_ptr<GoldenData> data(new GoldenData());
  data->directory_ = directory;
  if (!std::filesystem::exists(directory + "/index.json")) {
    data->directory_ += "/cases";
  }
  COOPER_ASSIGN_OR_RETURN(data->index_,
                          ParseFile(data->directory_ + "/index.json"));
  std::set<std::string> names;
  for (const nlohmann::json& golden : data->index_.at("cases")) {
    const auto file = golden.find("file");
    if (file != golden.end() && file->is_string()) names.insert(*file);
  }
  for (const std::string& name : names) {
    COOPER_ASSIGN_OR_RETURN(
        data->files_[name],
        checkpoint::SafetensorsFile::Open(data->directory_ + "/" + name));
  }
  return std::unique_ptr<const GoldenData>(std::move(data));
}

std::vector<const nlohmann::json*> GoldenData::Cases(
    const std::string& kind) const {
  std::vector<const nlohmann::json*> cases;
  for (const nlohmann::json& golden : index_.at("cases")) {
    if (golden.at("kind") == kind) cases.push_back(&golden);
  }
  return cases;
}

const nlohmann::json* GoldenData::FindCase(const std::string& kind,
                                           const std::string& name) const {
  for (const nlohmann::json* golden : Cases(kind)) {
    if (golden->at("name") == name) return golden;
  }
  return nullptr;
}

absl::StatusOr<nlohmann::json> GoldenData::ReadJson(
    const std::string& name) const {
  return ParseFile(directory_ + "/" + name);
}

bool GoldenData::Has(const nlohmann::json& golden,
                     const std::string& tensor) const {
  return golden.at("tensors").contains(tensor);
}

at::Tensor GoldenData::Tensor(const nlohmann::json& golden,
                              const std::string& tensor) const {
  const std::string name =
      absl::StrCat(golden.at("name").get<std::string>(), "/", tensor);
  const auto& file = files_.at(golden.at("file").get<std::string>());
  const checkpoint::StoredTensor* stored = file->Find(name);
  if (stored == nullptr) {
    throw std::runtime_error(absl::StrCat("the goldens lack ", name));
  }
  at::ScalarType type;
  switch (stored->dtype) {
    case checkpoint::DType::kFloat32:
      type = at::kFloat;
      break;
    case checkpoint::DType::kInt32:
      type = at::kInt;
      break;
    case checkpoint::DType::kInt64:
      type = at::kLong;
      break;
    case checkpoint::DType::kUint8:
      type = at::kByte;
      break;
    default:
      throw std::runtime_error(absl::StrCat(
          name, " has the dtype ", checkpoint::DTypeName(stored->dtype)));
  }
  at::Tensor out = at::empty(stored->shape, type);
  const absl::Status read = file->Read(*stored, out.data_ptr());
  if (!read.ok()) throw std::runtime_error(read.ToString());
  return out;
}

image::RgbImage GoldenData::Image(const nlohmann::json& golden,
                                  const std::string& tensor) const {
  return ToImage(Tensor(golden, tensor));
}

std::vector<int64_t> GoldenData::Integers(const nlohmann::json& golden,
                                          const std::string& tensor) const {
  const at::Tensor values = Tensor(golden, tensor).to(at::kLong);
  const auto* data = values.const_data_ptr<int64_t>();
  return std::vector<int64_t>(data, data + values.numel());
}

image::RgbImage ToImage(const at::Tensor& tensor) {
  image::RgbImage image;
  image.size = {static_cast<int>(tensor.size(1)),
                static_cast<int>(tensor.size(0))};
  const auto* data = tensor.const_data_ptr<uint8_t>();
  image.pixels.assign(data, data + tensor.numel());
  return image;
}

at::Tensor ToTensor(const image::RgbImage& image) {
  at::Tensor tensor =
      at::empty({image.size.height, image.size.width, 3}, at::kByte);
  std::memcpy(tensor.data_ptr(), image.pixels.data(), image.pixels.size());
  return tensor;
}

model::FlowOptions FlowOptionsOf(const nlohmann::json& fields) {
  model::FlowOptions options;
  const auto read = [&](const char* key, auto* value) {
    const auto found = fields.find(key);
    if (found != fields.end()) found->get_to(*value);
  };
  read("num_timesteps", &options.num_timesteps);
  read("timestep_shift", &options.timestep_shift);
  read("cfg_text_scale", &options.cfg_text_scale);
  read("cfg_img_scale", &options.cfg_img_scale);
  read("cfg_renorm_min", &options.cfg_renorm_min);
  if (fields.contains("cfg_interval")) {
    options.cfg_interval_low = fields.at("cfg_interval").at(0);
    options.cfg_interval_high = fields.at("cfg_interval").at(1);
  }
  if (fields.contains("cfg_renorm_type")) {
    const std::string type = fields.at("cfg_renorm_type");
    options.cfg_renorm_type = type == "global"    ? model::Renorm::kGlobal
                              : type == "channel" ? model::Renorm::kChannel
                                                  : model::Renorm::kTextChannel;
  }
  return options;
}

}  // namespace cooper::golden
