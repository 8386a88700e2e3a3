#include "server/kserve/inference_parser.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "cooper/v1/spatial_reasoning.pb.h"
#include "server/engine/core/error.h"
#include "server/kserve/inference_parameters.h"
#include "server/rpc/input_reader.h"
#include "server/rpc/request_parser.h"

namespace cooper::kserve {
namespace {

constexpr char kImages[] = "inputs[IMAGE]";
constexpr char kQuestion[] = "inputs[QUESTION]";

// Parameters of tensors are of the transport (binary_data_size,
// classification) and of no matter here, except where the tensor's contents
// would be elsewhere.
template <typename Tensor>
absl::Status CheckParameters(const char* list, const Tensor& tensor) {
  const auto& parameters = tensor.parameters();
  const auto region = parameters.find("shared_memory_region");
  if (region == parameters.end()) return absl::OkStatus();
  return engine::InvalidField(
      absl::StrCat(list, "[", base::Printable(tensor.name()), "]"),
      "parameter shared_memory_region is not supported");
}

absl::Status CheckContents(const inference::ModelInferRequest& wire) {
  if (wire.raw_input_contents().empty()) return absl::OkStatus();
  if (wire.raw_input_contents_size() != wire.inputs_size()) {
    return engine::InvalidField(
        "raw_input_contents",
        absl::StrCat("has ", wire.raw_input_contents_size(), " entries for ",
                     wire.inputs_size(), " inputs"));
  }
  for (const auto& input : wire.inputs()) {
    if (!input.has_contents()) continue;
    return engine::InvalidField(
        absl::StrCat("inputs[", base::Printable(input.name()), "]"),
        "has contents beside raw_input_contents");
  }
  return absl::OkStatus();
}

// The inputs: all that the model needs, none that it does not know.
absl::StatusOr<InferenceInputs> ReadInputs(
    const inference::ModelInferRequest& wire, const InferenceModel& model) {
  COOPER_RETURN_IF_ERROR(CheckContents(wire));
  InferenceInputs inputs;
  absl::flat_hash_set<absl::string_view> seen;
  for (int i = 0; i < wire.inputs_size(); ++i) {
    const auto& input = wire.inputs(i);
    const std::string field =
        absl::StrCat("inputs[", base::Printable(input.name()), "]");
    const auto known =
        std::find_if(model.inputs.begin(), model.inputs.end(),
                     [&](const auto& t) { return input.name() == t.name; });
    if (known == model.inputs.end()) {
      return engine::InvalidField(field, "the model has no such input");
    }
    COOPER_RETURN_IF_ERROR(CheckParameters("inputs", input));
    if (!seen.insert(known->name).second) {
      return engine::InvalidField(field, "is given twice");
    }
    if (known->pixels && input.datatype() == "UINT8") {
      COOPER_ASSIGN_OR_RETURN(inputs.pixels, ReadPixelTensor(wire, i, *known));
      continue;
    }
    COOPER_ASSIGN_OR_RETURN(std::vector<absl::string_view> elements,
                            ReadBytesTensor(wire, i, *known));
    if (known->pixels) {
      inputs.files = std::move(elements);
    } else {
      inputs.question = elements[0];
    }
  }
  for (const InferenceTensor& tensor : model.inputs) {
    if (tensor.optional || seen.contains(tensor.name)) continue;
    return engine::InvalidField(absl::StrCat("inputs[", tensor.name, "]"),
                                "required, but it is missing");
  }
  return inputs;
}

absl::StatusOr<std::vector<std::string>> ReadOutputs(
    const inference::ModelInferRequest& wire, const InferenceModel& model) {
  std::vector<std::string> names;
  for (const auto& output : wire.outputs()) {
    const std::string field =
        absl::StrCat("outputs[", base::Printable(output.name()), "]");
    if (std::none_of(
            model.outputs.begin(), model.outputs.end(),
            [&](const auto& known) { return output.name() == known.name; })) {
      return engine::InvalidField(field, "the model has no such output");
    }
    COOPER_RETURN_IF_ERROR(CheckParameters("outputs", output));
    if (std::find(names.begin(), names.end(), output.name()) != names.end()) {
      return engine::InvalidField(field, "is given twice");
    }
    names.push_back(output.name());
  }
  if (!names.empty()) return names;
  for (const InferenceTensor& tensor : model.outputs) {
    if (tensor.usual) names.emplace_back(tensor.name);
  }
  return names;
}

// Which maps the engine must encode for the outputs.
void ChooseMaps(const InferenceRequest& request, v1::OutputOptions* output) {
  const auto wants = [&](const char* name) {
    const auto& names = request.outputs;
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  switch (request.model->task) {
    case InferenceTask::kReason:
      output->add_roles(v1::MAP_ROLE_DISPLAY);
      return;
    case InferenceTask::kDepth:
      output->set_depth_encoding(v1::MAP_ENCODING_RAW_FLOAT32);
      if (wants("DEPTH")) output->add_roles(v1::MAP_ROLE_VALUES);
      if (wants("DISPLAY")) output->add_roles(v1::MAP_ROLE_DISPLAY);
      return;
    case InferenceTask::kSegmentation:
      if (wants("SEGMENTATION") || wants("REGIONS")) {
        output->add_roles(v1::MAP_ROLE_VALUES);
      }
      if (wants("DISPLAY")) output->add_roles(v1::MAP_ROLE_DISPLAY);
      return;
  }
}

// An error of a request of cooper.v1 that has its options only, with the place
// in ModelInferRequest.
absl::Status ToInferenceError(const absl::Status& status) {
  engine::ErrorDetails details = engine::DetailsOf(status);
  if (details.field.empty()) return status;
  absl::string_view words = status.message();
  absl::ConsumePrefix(&words, details.field + ": ");
  absl::string_view name = details.field;
  absl::ConsumePrefix(&name, "flow.") ||
      absl::ConsumePrefix(&name, "sampling.");
  details.field =
      name == "request_id" ? "id" : absl::StrCat("parameters[", name, "]");
  return engine::MakeError(details, absl::StrCat(details.field, ": ", words));
}

}  // namespace

absl::StatusOr<InferenceRequest> InferenceParser::Parse(
    const inference::ModelInferRequest& wire) const {
  InferenceRequest request;
  COOPER_ASSIGN_OR_RETURN(
      request.model,
      FindInferenceModel(wire.model_name(), wire.model_version(), info_));
  COOPER_ASSIGN_OR_RETURN(request.outputs, ReadOutputs(wire, *request.model));
  const auto empty_final = wire.parameters().find(kEmptyFinalParameter);
  request.empty_final = empty_final != wire.parameters().end() &&
                        empty_final->second.bool_param();
  request.timeout = TimeoutOf(wire.parameters());
  COOPER_ASSIGN_OR_RETURN(request.engine, ParseTask(wire, request));
  return request;
}

absl::StatusOr<engine::Request> InferenceParser::ParseTask(
    const inference::ModelInferRequest& wire,
    const InferenceRequest& request) const {
  COOPER_ASSIGN_OR_RETURN(InferenceInputs inputs,
                          ReadInputs(wire, *request.model));
  const rpc::RequestParser parser(&info_, &limits_, &image_limits_, &metrics_);
  const auto parse = [&](auto options) -> absl::StatusOr<engine::Request> {
    COOPER_RETURN_IF_ERROR(SetOptions(wire.parameters(), &options));
    options.set_request_id(wire.id());
    ChooseMaps(request, options.mutable_output());
    absl::StatusOr<engine::Request> parsed = parser.ParseOptions(options);
    if (!parsed.ok()) return ToInferenceError(parsed.status());
    parsed->output.colour_encoding = engine::MapEncoding::kRawRgb8;
    COOPER_ASSIGN_OR_RETURN(parsed->inputs, MakeInputs(std::move(inputs)));
    return parsed;
  };
  switch (request.model->task) {
    case InferenceTask::kReason:
      return parse(v1::ReasonRequest());
    case InferenceTask::kDepth:
      return parse(v1::EstimateDepthRequest());
    case InferenceTask::kSegmentation:
      return parse(v1::SegmentRequest());
  }
  return absl::InternalError("no such task");
}

absl::StatusOr<std::vector<engine::Input>> InferenceParser::MakeInputs(
    InferenceInputs inputs) const {
  rpc::InputReader reader(limits_, image_limits_, &metrics_);
  const size_t images = inputs.pixels.has_value() ? inputs.pixels->images.size()
                                                  : inputs.files.size();
  const int most = limits_.max_inputs - (inputs.question.has_value() ? 1 : 0);
  if (images > static_cast<size_t>(most)) {
    return engine::InvalidField(
        kImages, absl::StrCat("has ", images, " images, at most ", most,
                              " are allowed"));
  }
  for (size_t i = 0; i < images; ++i) {
    std::string field = absl::StrCat(kImages, "[", i, "]");
    COOPER_RETURN_IF_ERROR(
        inputs.pixels.has_value()
            ? reader.AddPixels(std::move(inputs.pixels->images[i]),
                               inputs.pixels->width, inputs.pixels->height,
                               std::move(field))
            : reader.AddImage(std::string(inputs.files[i]), std::move(field)));
  }
  if (!inputs.question.has_value()) return reader.Take();
  // Here protobuf has not looked: the tensor's type is bytes.
  if (!base::IsUtf8(*inputs.question)) {
    return engine::InvalidField(kQuestion, "must be UTF-8");
  }
  COOPER_RETURN_IF_ERROR(
      reader.AddText(std::string(*inputs.question), kQuestion));
  if (!reader.has_text()) {
    return engine::InvalidField(kQuestion, "required: it is blank");
  }
  return reader.Take();
}

}  // namespace cooper::kserve
