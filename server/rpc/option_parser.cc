#include "server/rpc/option_parser.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "server/engine/core/error.h"

namespace cooper::rpc {
namespace {

constexpr size_t kMaxRequestIdBytes = 128;

// The options' own checks say "field: what is wrong"; puts the path of the
// message before the field.
absl::Status InMessage(absl::string_view message, const absl::Status& status) {
  if (status.ok()) return status;
  const absl::string_view text = status.message();
  const size_t colon = text.find(": ");
  if (colon == absl::string_view::npos) {
    return engine::InvalidField(message, text);
  }
  return engine::InvalidField(absl::StrCat(message, ".", text.substr(0, colon)),
                              text.substr(colon + 2));
}

absl::Status UnknownEnum(absl::string_view field, int value) {
  return engine::InvalidField(field, absl::StrCat("unknown value ", value));
}

}  // namespace

absl::StatusOr<model::FlowOptions> ParseFlow(
    const v1::FlowOptions& wire, const model::FlowOptions& defaults) {
  model::FlowOptions flow = defaults;
  if (wire.has_num_timesteps()) flow.num_timesteps = wire.num_timesteps();
  if (wire.has_timestep_shift()) flow.timestep_shift = wire.timestep_shift();
  if (wire.has_cfg_text_scale()) flow.cfg_text_scale = wire.cfg_text_scale();
  if (wire.has_cfg_img_scale()) flow.cfg_img_scale = wire.cfg_img_scale();
  if (wire.has_cfg_interval_low()) {
    flow.cfg_interval_low = wire.cfg_interval_low();
  }
  if (wire.has_cfg_interval_high()) {
    flow.cfg_interval_high = wire.cfg_interval_high();
  }
  if (wire.has_cfg_renorm_min()) flow.cfg_renorm_min = wire.cfg_renorm_min();
  switch (wire.cfg_renorm_type()) {
    case v1::RENORM_TYPE_UNSPECIFIED:
      break;
    case v1::RENORM_TYPE_GLOBAL:
      flow.cfg_renorm_type = model::Renorm::kGlobal;
      break;
    case v1::RENORM_TYPE_CHANNEL:
      flow.cfg_renorm_type = model::Renorm::kChannel;
      break;
    case v1::RENORM_TYPE_TEXT_CHANNEL:
      flow.cfg_renorm_type = model::Renorm::kTextChannel;
      break;
    default:
      return UnknownEnum("flow.cfg_renorm_type", wire.cfg_renorm_type());
  }
  COOPER_RETURN_IF_ERROR(InMessage("flow", flow.Validate()));
  return flow;
}

absl::StatusOr<model::SamplingOptions> ParseSampling(
    const v1::SamplingOptions& wire, const model::SamplingOptions& defaults) {
  model::SamplingOptions sampling = defaults;
  if (wire.has_do_sample()) sampling.do_sample = wire.do_sample();
  if (wire.has_temperature()) sampling.temperature = wire.temperature();
  if (wire.has_top_p()) sampling.top_p = wire.top_p();
  COOPER_RETURN_IF_ERROR(InMessage("sampling", sampling.Validate()));
  return sampling;
}

absl::StatusOr<engine::OutputOptions> ParseOutput(
    const v1::OutputOptions& wire) {
  engine::OutputOptions output;
  COOPER_RETURN_IF_ERROR(
      CheckRange("output.preview_every", wire.preview_every(), 0, 1000));
  output.preview_every = wire.preview_every();
  if (wire.roles_size() > 0) output.roles.clear();
  for (int i = 0; i < wire.roles_size(); ++i) {
    const std::string field = absl::StrCat("output.roles[", i, "]");
    engine::MapRole role;
    switch (wire.roles(i)) {
      case v1::MAP_ROLE_VALUES:
        role = engine::MapRole::kValues;
        break;
      case v1::MAP_ROLE_DISPLAY:
        role = engine::MapRole::kDisplay;
        break;
      case v1::MAP_ROLE_AS_SEEN_BY_MODEL:
        role = engine::MapRole::kAsSeenByModel;
        break;
      default:
        return UnknownEnum(field, wire.roles(i));
    }
    const auto& roles = output.roles;
    if (std::find(roles.begin(), roles.end(), role) != roles.end()) {
      return engine::InvalidField(field, "is given twice");
    }
    output.roles.push_back(role);
  }
  switch (wire.depth_encoding()) {
    case v1::MAP_ENCODING_UNSPECIFIED:
    case v1::MAP_ENCODING_PNG_GREY16:
      output.depth_encoding = engine::MapEncoding::kPngGrey16;
      break;
    case v1::MAP_ENCODING_RAW_FLOAT32:
      output.depth_encoding = engine::MapEncoding::kRawFloat32;
      break;
    case v1::MAP_ENCODING_PNG_RGB8:
      return engine::InvalidField(
          "output.depth_encoding",
          "depth is PNG_GREY16 or RAW_FLOAT32, not PNG_RGB8");
    default:
      return UnknownEnum("output.depth_encoding", wire.depth_encoding());
  }
  return output;
}

absl::Status CheckRange(absl::string_view field, int64_t value, int64_t low,
                        int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return engine::InvalidField(
      field, absl::StrCat("must be in [", low, ", ", high, "], not ", value));
}

absl::StatusOr<std::string> ParseRequestId(const std::string& wire) {
  if (wire.empty()) {
    absl::BitGen gen;
    const uint64_t high = absl::Uniform<uint64_t>(gen);
    const uint64_t low = absl::Uniform<uint64_t>(gen);
    return absl::StrFormat("%016x%016x", high, low);
  }
  if (wire.size() > kMaxRequestIdBytes) {
    return engine::InvalidField(
        "request_id", absl::StrCat("has ", wire.size(), " bytes, at most ",
                                   kMaxRequestIdBytes, " are allowed"));
  }
  if (!std::all_of(wire.begin(), wire.end(), absl::ascii_isprint)) {
    return engine::InvalidField("request_id",
                                "must be printable ASCII characters");
  }
  return wire;
}

uint64_t DrawSeed() {
  absl::BitGen gen;
  return absl::Uniform<uint64_t>(gen);
}

}  // namespace cooper::rpc
