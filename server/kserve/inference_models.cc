#include "server/kserve/inference_models.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/logging.h"
#include "server/engine/core/error.h"

namespace cooper::kserve {
namespace {

constexpr char kPlatform[] = "cooper";

InferenceTensor Image(std::vector<int64_t> shape, bool optional) {
  return {"IMAGE",  "BYTES",        std::move(shape),
          optional, /*usual=*/true, /*pixels=*/true};
}

const std::array<InferenceModel, 3>& Models() {
  static const auto* const kModels = new std::array<InferenceModel, 3>{
      InferenceModel{
          InferenceTask::kReason,
          "",
          {Image({-1}, /*optional=*/true), {"QUESTION", "BYTES", {1}}},
          {{"TEXT", "BYTES", {-1}},
           {"CHANNEL", "BYTES", {-1}},
           {"MAP", "BYTES", {-1}},
           {"MAP_KIND", "BYTES", {-1}},
           {"ANSWER", "BYTES", {1}},
           {"ANSWER_TEXT", "BYTES", {1}},
           {"BOXED", "BYTES", {1}},
           {"THOUGHTS", "BYTES", {1}},
           {"FINISH_REASON", "BYTES", {1}}}},
      InferenceModel{InferenceTask::kDepth,
                     "_depth",
                     {Image({1}, /*optional=*/false)},
                     {{"DEPTH", "FP32", {-1, -1}},
                      {"DISPLAY", "BYTES", {1}, false, /*usual=*/false}}},
      InferenceModel{InferenceTask::kSegmentation,
                     "_segmentation",
                     {Image({1}, /*optional=*/false)},
                     {{"SEGMENTATION", "UINT8", {-1, -1, 3}},
                      {"REGIONS", "BYTES", {1}},
                      {"DISPLAY", "BYTES", {1}, false, /*usual=*/false}}}};
  return *kModels;
}

absl::Status NotFound(absl::string_view field, absl::string_view message) {
  engine::ErrorDetails details;
  details.reason = engine::ErrorReason::kModelNotFound;
  details.field = std::string(field);
  return engine::MakeError(details, absl::StrCat(field, ": ", message));
}

inference::DataType TypeOf(absl::string_view datatype) {
  if (datatype == "FP32") return inference::TYPE_FP32;
  if (datatype == "UINT8") return inference::TYPE_UINT8;
  return inference::TYPE_STRING;
}

}  // namespace

absl::Span<const InferenceModel> InferenceModels() { return Models(); }

absl::StatusOr<const InferenceModel*> FindInferenceModel(
    absl::string_view name, absl::string_view version,
    const model::ModelInfo& info) {
  absl::string_view suffix = name;
  const bool ours = absl::ConsumePrefix(&suffix, info.name);
  for (const InferenceModel& model : Models()) {
    if (!ours || suffix != model.suffix) continue;
    if (version.empty() || version == kInferenceVersion) return &model;
    return NotFound("model_version",
                    absl::StrCat("no version \"", base::Printable(version),
                                 "\"; the only one is \"1\""));
  }
  const auto full_name = [&](std::string* out, const InferenceModel& model) {
    absl::StrAppend(out, "\"", info.name, model.suffix, "\"");
  };
  return NotFound(
      "model_name",
      absl::StrCat("no model \"", base::Printable(name), "\"; served are ",
                   absl::StrJoin(Models(), ", ", full_name)));
}

inference::ModelMetadataResponse MakeInferenceMetadata(
    const InferenceModel& model, const std::string& name) {
  inference::ModelMetadataResponse reply;
  reply.set_name(name);
  reply.add_versions(std::string(kInferenceVersion));
  reply.set_platform(kPlatform);
  const auto fill = [](const InferenceTensor& tensor, auto* wire) {
    wire->set_name(tensor.name);
    wire->set_datatype(tensor.datatype);
    for (const int64_t side : tensor.shape) wire->add_shape(side);
  };
  for (const auto& tensor : model.inputs) fill(tensor, reply.add_inputs());
  for (const auto& tensor : model.outputs) fill(tensor, reply.add_outputs());
  return reply;
}

inference::ModelConfigResponse MakeInferenceConfig(const InferenceModel& model,
                                                   const std::string& name) {
  inference::ModelConfigResponse reply;
  inference::ModelConfig* config = reply.mutable_config();
  config->set_name(name);
  config->set_platform(kPlatform);
  config->set_backend(kPlatform);
  const auto fill = [](const InferenceTensor& tensor, auto* wire) {
    wire->set_name(tensor.name);
    wire->set_data_type(TypeOf(tensor.datatype));
    for (const int64_t side : tensor.shape) wire->add_dims(side);
  };
  for (const auto& tensor : model.inputs) {
    fill(tensor, config->add_input());
    config->mutable_input()->rbegin()->set_optional(tensor.optional);
  }
  for (const auto& tensor : model.outputs) fill(tensor, config->add_output());
  config->mutable_model_transaction_policy()->set_decoupled(model.decoupled());
  return reply;
}

}  // namespace cooper::kserve
