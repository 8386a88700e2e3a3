#include "server/rpc/limits.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace cooper::rpc {
namespace {

absl::Status InRange(absl::string_view name, int64_t value, int64_t low,
                     int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, ": must be in [", low, ", ", high, "], not ", value));
}

}  // namespace

absl::Status RpcLimits::Validate() const {
  COOPER_RETURN_IF_ERROR(InRange("max_message_bytes", max_message_bytes,
                                 int64_t{64} << 10, int64_t{1} << 30));
  COOPER_RETURN_IF_ERROR(InRange("max_inputs", max_inputs, 1, 1024));
  COOPER_RETURN_IF_ERROR(InRange("max_images", max_images, 1, max_inputs));
  COOPER_RETURN_IF_ERROR(
      InRange("max_text_bytes", max_text_bytes, 1, max_message_bytes));
  return InRange("max_think_tokens", max_think_tokens, 2, 1000000);
}

}  // namespace cooper::rpc
