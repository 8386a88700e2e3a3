#include "server/rpc/request_parser.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "server/engine/core/error.h"
#include "server/rpc/input_reader.h"
#include "server/rpc/option_parser.h"

namespace cooper::rpc {
namespace {

using engine::ErrorReason;

constexpr int kMaxTurns = 16;

absl::StatusOr<engine::Priority> ParsePriority(v1::Priority wire) {
  switch (wire) {
    case v1::PRIORITY_UNSPECIFIED:
    case v1::PRIORITY_NORMAL:
      return engine::Priority::kNormal;
    case v1::PRIORITY_LOW:
      return engine::Priority::kLow;
    default:
      return engine::InvalidField("priority",
                                  absl::StrCat("unknown value ", wire));
  }
}

// What all requests have. `Wire` has the fields flow, seed, output, priority,
// request_id.
template <typename Wire>
absl::Status ParseCommon(const Wire& wire, const model::ModelInfo& info,
                         engine::Request* request) {
  COOPER_ASSIGN_OR_RETURN(request->id, ParseRequestId(wire.request_id()));
  COOPER_ASSIGN_OR_RETURN(request->flow,
                          ParseFlow(wire.flow(), info.defaults.flow));
  COOPER_ASSIGN_OR_RETURN(request->output, ParseOutput(wire.output()));
  COOPER_ASSIGN_OR_RETURN(request->priority, ParsePriority(wire.priority()));
  request->sampling = info.defaults.sampling;
  request->seed = wire.has_seed() ? wire.seed() : DrawSeed();
  return absl::OkStatus();
}

// Writing requests have max_think_tokens.
template <typename Wire>
absl::Status ParseThinkTokens(const Wire& wire, int default_tokens,
                              const RpcLimits& limits,
                              engine::Request* request) {
  request->max_think_tokens = std::min(default_tokens, limits.max_think_tokens);
  if (!wire.has_max_think_tokens()) return absl::OkStatus();
  request->max_think_tokens = wire.max_think_tokens();
  return CheckRange("max_think_tokens", wire.max_think_tokens(), 2,
                    limits.max_think_tokens);
}

absl::StatusOr<engine::Mode> ParseMode(v1::Mode wire) {
  switch (wire) {
    case v1::MODE_UNSPECIFIED:
    case v1::MODE_INTERLEAVED:
      return engine::Mode::kInterleaved;
    case v1::MODE_TEXT_ONLY:
      return engine::Mode::kTextOnly;
    case v1::MODE_PERCEIVE_THEN_ANSWER:
      return engine::Mode::kPerceiveThenAnswer;
    default:
      return engine::InvalidField("mode", absl::StrCat("unknown value ", wire));
  }
}

absl::StatusOr<image::Size> ParseSize(const v1::GenerateImageRequest& wire,
                                      const model::ModelInfo& info) {
  image::Size size;
  if (wire.has_width() != wire.has_height()) {
    return engine::InvalidField(wire.has_width() ? "height" : "width",
                                "width and height go together");
  }
  if (!wire.has_width()) return size;
  const int stride = info.latent_stride;
  const int max_side = stride * info.max_latent_side;
  const auto check = [&](absl::string_view field, int value) -> absl::Status {
    COOPER_RETURN_IF_ERROR(CheckRange(field, value, stride, max_side));
    if (value % stride == 0) return absl::OkStatus();
    return engine::InvalidField(
        field,
        absl::StrCat("must be a multiple of ", stride, " px, not ", value));
  };
  COOPER_RETURN_IF_ERROR(check("width", wire.width()));
  COOPER_RETURN_IF_ERROR(check("height", wire.height()));
  return image::Size{wire.width(), wire.height()};
}

}  // namespace

absl::Status RequestParser::CheckModel(absl::string_view name) const {
  if (name.empty() || name == info_.name) return absl::OkStatus();
  engine::ErrorDetails details;
  details.reason = ErrorReason::kModelNotFound;
  details.field = "model";
  return engine::MakeError(
      details, absl::StrCat("model: no model \"", base::Printable(name),
                            "\"; served is \"", info_.name, "\""));
}

absl::StatusOr<std::vector<engine::Input>> RequestParser::ParseInputs(
    const google::protobuf::RepeatedPtrField<v1::Input>& wire) const {
  if (wire.empty()) {
    return engine::InvalidField("inputs", "required: at least one text");
  }
  if (wire.size() > limits_.max_inputs) {
    return engine::InvalidField(
        "inputs", absl::StrCat("has ", wire.size(), " inputs, at most ",
                               limits_.max_inputs, " are allowed"));
  }
  InputReader reader(limits_, image_limits_, &metrics_);
  for (int i = 0; i < wire.size(); ++i) {
    const std::string field = absl::StrCat("inputs[", i, "]");
    switch (wire[i].input_case()) {
      case v1::Input::kImage:
        COOPER_RETURN_IF_ERROR(
            reader.AddImage(wire[i].image(), absl::StrCat(field, ".image")));
        break;
      case v1::Input::kText:
        COOPER_RETURN_IF_ERROR(
            reader.AddText(wire[i].text(), absl::StrCat(field, ".text")));
        break;
      case v1::Input::INPUT_NOT_SET:
        return engine::InvalidField(field, "required: one of image and text");
    }
  }
  if (!reader.has_text()) {
    return engine::InvalidField(
        "inputs", "required: at least one text that is not blank");
  }
  return reader.Take();
}

absl::StatusOr<engine::Request> RequestParser::ParseOptions(
    const v1::ReasonRequest& wire) const {
  COOPER_RETURN_IF_ERROR(CheckModel(wire.model()));
  engine::Request request;
  request.method = engine::Method::kReason;
  engine::ReasonTask task;
  COOPER_ASSIGN_OR_RETURN(task.mode, ParseMode(wire.mode()));
  task.max_turns = info_.defaults.max_turns;
  if (wire.has_max_turns()) {
    COOPER_RETURN_IF_ERROR(
        CheckRange("max_turns", wire.max_turns(), 1, kMaxTurns));
    task.max_turns = wire.max_turns();
  }
  const int default_tokens = task.mode == engine::Mode::kPerceiveThenAnswer
                                 ? info_.defaults.max_answer_tokens
                                 : info_.defaults.max_think_tokens;
  request.task = task;
  COOPER_RETURN_IF_ERROR(ParseCommon(wire, info_, &request));
  COOPER_RETURN_IF_ERROR(
      ParseThinkTokens(wire, default_tokens, limits_, &request));
  COOPER_ASSIGN_OR_RETURN(
      request.sampling,
      ParseSampling(wire.sampling(), info_.defaults.sampling));
  return request;
}

absl::StatusOr<engine::Request> RequestParser::Parse(
    const v1::ReasonRequest& wire) const {
  COOPER_ASSIGN_OR_RETURN(engine::Request request, ParseOptions(wire));
  COOPER_ASSIGN_OR_RETURN(request.inputs, ParseInputs(wire.inputs()));
  return request;
}

template <typename Wire>
absl::StatusOr<engine::Request> RequestParser::ParseMapOptions(
    const Wire& wire, engine::Method method, model::MapKind kind) const {
  COOPER_RETURN_IF_ERROR(CheckModel(wire.model()));
  engine::Request request;
  request.method = method;
  request.task = engine::MapTask{kind};
  COOPER_RETURN_IF_ERROR(ParseCommon(wire, info_, &request));
  return request;
}

template <typename Wire>
absl::StatusOr<engine::Request> RequestParser::ParseMap(
    const Wire& wire) const {
  COOPER_ASSIGN_OR_RETURN(engine::Request request, ParseOptions(wire));
  InputReader reader(limits_, image_limits_, &metrics_);
  COOPER_RETURN_IF_ERROR(reader.AddImage(wire.image(), "image"));
  request.inputs = reader.Take();
  return request;
}

absl::StatusOr<engine::Request> RequestParser::ParseOptions(
    const v1::EstimateDepthRequest& wire) const {
  return ParseMapOptions(wire, engine::Method::kEstimateDepth,
                         model::MapKind::kDepth);
}

absl::StatusOr<engine::Request> RequestParser::ParseOptions(
    const v1::SegmentRequest& wire) const {
  return ParseMapOptions(wire, engine::Method::kSegment,
                         model::MapKind::kSegmentation);
}

absl::StatusOr<engine::Request> RequestParser::Parse(
    const v1::EstimateDepthRequest& wire) const {
  return ParseMap(wire);
}

absl::StatusOr<engine::Request> RequestParser::Parse(
    const v1::SegmentRequest& wire) const {
  return ParseMap(wire);
}

absl::StatusOr<engine::Request> RequestParser::Parse(
    const v1::GenerateImageRequest& wire) const {
  COOPER_RETURN_IF_ERROR(CheckModel(wire.model()));
  engine::Request request;
  request.method = engine::Method::kGenerateImage;
  engine::GenerateTask task;
  task.think = wire.think();
  COOPER_ASSIGN_OR_RETURN(task.size, ParseSize(wire, info_));
  request.task = task;
  COOPER_RETURN_IF_ERROR(ParseCommon(wire, info_, &request));
  COOPER_RETURN_IF_ERROR(ParseThinkTokens(wire, info_.defaults.max_think_tokens,
                                          limits_, &request));
  COOPER_ASSIGN_OR_RETURN(
      request.sampling,
      ParseSampling(wire.sampling(), info_.defaults.sampling));
  COOPER_ASSIGN_OR_RETURN(request.inputs, ParseInputs(wire.inputs()));
  return request;
}

}  // namespace cooper::rpc
