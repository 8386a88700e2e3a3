#include "server/kserve/inference_parser.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "cooper/v1/spatial_reasoning.pb.h"
#include "server/engine/core/error.h"
#include "server/kserve/inference_parameters.h"
#include "server/kserve/inference_tensors.h"
#include "server/rpc/request_parser.h"

namespace cooper::kserve {
namespace {

using Elements = std::vector<absl::string_view>;
using Tensors = absl::flat_hash_map<std::string, Elements>;

// Extensions that would change what a tensor is (shared memory,
// classification) are not there.
template <typename Tensor>
absl::Status CheckNoParameters(const char* list, const Tensor& tensor) {
  if (tensor.parameters().empty()) return absl::OkStatus();
  return engine::InvalidField(
      absl::StrCat(list, "[", base::Printable(tensor.name()), "]"),
      absl::StrCat("parameter ",
                   base::Printable(tensor.parameters().begin()->first),
                   " is not supported"));
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

// The inputs by name: all that the model needs, none that it does not know.
absl::StatusOr<Tensors> ReadInputs(const inference::ModelInferRequest& wire,
                                   const InferenceModel& model) {
  COOPER_RETURN_IF_ERROR(CheckContents(wire));
  Tensors tensors;
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
    COOPER_RETURN_IF_ERROR(CheckNoParameters("inputs", input));
    COOPER_ASSIGN_OR_RETURN(Elements elements,
                            ReadBytesTensor(wire, i, *known));
    if (!tensors.emplace(input.name(), std::move(elements)).second) {
      return engine::InvalidField(field, "is given twice");
    }
  }
  for (const InferenceTensor& tensor : model.inputs) {
    if (tensor.optional || tensors.contains(tensor.name)) continue;
    return engine::InvalidField(absl::StrCat("inputs[", tensor.name, "]"),
                                "required, but it is missing");
  }
  return tensors;
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
    COOPER_RETURN_IF_ERROR(CheckNoParameters("outputs", output));
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

// The place in a request of cooper.v1 as one in ModelInferRequest.
std::string ToInferenceField(absl::string_view field, bool too_many_images) {
  if (field == "request_id") return "id";
  if (field == "image") return "inputs[IMAGE][0]";
  if (field == "inputs") {
    return too_many_images ? "inputs[IMAGE]" : "inputs[QUESTION]";
  }
  absl::string_view rest = field;
  if (absl::ConsumePrefix(&rest, "inputs[")) {
    if (absl::EndsWith(rest, ".text")) return "inputs[QUESTION]";
    // Images come first, so the index stays.
    return absl::StrCat("inputs[IMAGE][", absl::StripSuffix(rest, ".image"));
  }
  absl::ConsumePrefix(&rest, "flow.") ||
      absl::ConsumePrefix(&rest, "sampling.");
  return absl::StrCat("parameters[", rest, "]");
}

absl::Status ToInferenceError(const absl::Status& status,
                              bool too_many_images) {
  engine::ErrorDetails details = engine::DetailsOf(status);
  if (details.field.empty()) return status;
  absl::string_view words = status.message();
  absl::ConsumePrefix(&words, details.field + ": ");
  details.field = ToInferenceField(details.field, too_many_images);
  return engine::MakeError(details, absl::StrCat(details.field, ": ", words));
}

template <typename Wire>
absl::StatusOr<Wire> MakeMapRequest(const inference::ModelInferRequest& wire,
                                    const Tensors& tensors) {
  Wire request;
  COOPER_RETURN_IF_ERROR(SetOptions(wire.parameters(), &request));
  request.set_image(std::string(tensors.at("IMAGE")[0]));
  return request;
}

absl::StatusOr<v1::ReasonRequest> MakeReasonRequest(
    const inference::ModelInferRequest& wire, const Tensors& tensors) {
  v1::ReasonRequest request;
  COOPER_RETURN_IF_ERROR(SetOptions(wire.parameters(), &request));
  if (const auto images = tensors.find("IMAGE"); images != tensors.end()) {
    for (const absl::string_view image : images->second) {
      request.add_inputs()->set_image(std::string(image));
    }
  }
  const absl::string_view question = tensors.at("QUESTION")[0];
  // Here protobuf has not looked: the tensor's type is bytes.
  if (!base::IsUtf8(question)) {
    return engine::InvalidField("inputs[QUESTION]", "must be UTF-8");
  }
  request.add_inputs()->set_text(std::string(question));
  return request;
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
  COOPER_ASSIGN_OR_RETURN(request.engine, ParseTask(wire, request));
  for (engine::Input& input : request.engine.inputs) {
    // What is found only in decoding is told by the tensor's name, too.
    if (auto* image = std::get_if<engine::ImageInput>(&input)) {
      image->field = ToInferenceField(image->field, false);
    }
  }
  return request;
}

absl::StatusOr<engine::Request> InferenceParser::ParseTask(
    const inference::ModelInferRequest& wire,
    const InferenceRequest& request) const {
  COOPER_ASSIGN_OR_RETURN(const Tensors tensors,
                          ReadInputs(wire, *request.model));
  const auto parse = [&](auto made) -> absl::StatusOr<engine::Request> {
    COOPER_RETURN_IF_ERROR(made.status());
    made->set_request_id(wire.id());
    ChooseMaps(request, made->mutable_output());
    absl::StatusOr<engine::Request> parsed =
        rpc::RequestParser(&info_, &limits_, &image_limits_, &metrics_)
            .Parse(*made);
    if (parsed.ok()) {
      parsed->output.colour_encoding = engine::MapEncoding::kRawRgb8;
      return parsed;
    }
    const auto images = tensors.find("IMAGE");
    return ToInferenceError(
        parsed.status(),
        images != tensors.end() &&
            static_cast<int>(images->second.size()) >= limits_.max_inputs);
  };
  switch (request.model->task) {
    case InferenceTask::kReason:
      return parse(MakeReasonRequest(wire, tensors));
    case InferenceTask::kDepth:
      return parse(MakeMapRequest<v1::EstimateDepthRequest>(wire, tensors));
    case InferenceTask::kSegmentation:
      return parse(MakeMapRequest<v1::SegmentRequest>(wire, tensors));
  }
  return absl::InternalError("no such task");
}

}  // namespace cooper::kserve
