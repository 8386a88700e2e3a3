#include "model/options.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace cooper::model {
namespace {

absl::Status InRange(const char* field, double value, double low, double high,
                     bool low_open = false) {
  const bool above = low_open ? value > low : value >= low;
  if (std::isfinite(value) && above && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": must be in ",
                                                 low_open ? "(" : "[", low,
                                                 ", ", high, "], not ", value));
}

}  // namespace

absl::Status FlowOptions::Validate() const {
  if (num_timesteps < 2 || num_timesteps > 1000) {
    return absl::InvalidArgumentError(absl::StrCat(
        "num_timesteps: must be in [2, 1000], not ", num_timesteps));
  }
  // Next to 0 the shifted time of t = 1 is 0 / 0.
  absl::Status status = InRange("timestep_shift", timestep_shift, 0.01, 100);
  if (!status.ok()) return status;
  status = InRange("cfg_text_scale", cfg_text_scale, 0, 100);
  if (!status.ok()) return status;
  status = InRange("cfg_img_scale", cfg_img_scale, 0, 100);
  if (!status.ok()) return status;
  status = InRange("cfg_interval_low", cfg_interval_low, 0, 1);
  if (!status.ok()) return status;
  status = InRange("cfg_interval_high", cfg_interval_high, 0, 1);
  if (!status.ok()) return status;
  if (cfg_interval_low > cfg_interval_high) {
    return absl::InvalidArgumentError(
        absl::StrCat("cfg_interval_low: must not be above cfg_interval_high (",
                     cfg_interval_low, " > ", cfg_interval_high, ")"));
  }
  return InRange("cfg_renorm_min", cfg_renorm_min, 0, 1);
}

absl::Status SamplingOptions::Validate() const {
  absl::Status status = InRange("temperature", temperature, 0, 100);
  if (!status.ok()) return status;
  return InRange("top_p", top_p, 0, 1, /*low_open=*/true);
}

}  // namespace cooper::model
