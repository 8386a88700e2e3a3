#include "server/engine/engine_options.h"

#include "absl/strings/str_cat.h"

namespace cooper::engine {
namespace {

absl::Status OutOfRange(const char* field, int64_t value, int64_t low,
                        int64_t high) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": must be in [", low, ", ", high, "], not ", value));
}

}  // namespace

absl::Status EngineOptions::Validate() const {
  struct Range {
    const char* field;
    int64_t value, low, high;
  };
  const Range ranges[] = {
      {"max_running", max_running, 1, 1024},
      {"max_queue", max_queue, 0, 65536},
      {"max_per_client", max_per_client, -1, 65536},
      {"max_queue_bytes", max_queue_bytes, 1, int64_t{1} << 40},
      {"decode_bytes", decode_bytes, 1, int64_t{1} << 40},
      {"prefill_tokens", prefill_tokens, 1, 1 << 24},
      {"denoise_tokens", denoise_tokens, 1, 1 << 24},
      {"prepare_threads", prepare_threads, 1, 64},
      {"encode_threads", encode_threads, 1, 64},
      {"max_image_pixels", image_limits.max_pixels, 1, int64_t{1} << 30},
  };
  for (const Range& range : ranges) {
    if (range.value < range.low || range.value > range.high) {
      return OutOfRange(range.field, range.value, range.low, range.high);
    }
  }
  if (slice <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("slice: must be positive");
  }
  if (session_ttl < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("session_ttl: must not be negative");
  }
  if (max_queue_delay < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("max_queue_delay: must not be negative");
  }
  if (queue_timeout < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("queue_timeout: must not be negative");
  }
  return absl::OkStatus();
}

}  // namespace cooper::engine
