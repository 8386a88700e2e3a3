#include "server/model_source.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/logging.h"
#include "base/status_macros.h"

namespace cooper {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int64_t kMaxKvCacheMib = int64_t{1} << 20;

absl::Status CheckDevice(absl::string_view device) {
  int gpu = 0;
  absl::string_view number = device;
  if (device == "auto" || device == "cpu" || device == "cuda" ||
      (absl::ConsumePrefix(&number, "cuda:") &&
       absl::SimpleAtoi(number, &gpu) && gpu >= 0)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("device: must be auto, cpu, cuda or cuda:N, not \"",
                   base::Printable(device), "\""));
}

}  // namespace

absl::Status ModelSource::Validate() const {
  if (checkpoint_dirs.size() > 2) {
    return absl::InvalidArgumentError(
        "checkpoint: at most two directories, comma-separated");
  }
  COOPER_RETURN_IF_ERROR(CheckDevice(device));
  if (dtype != "auto" && dtype != "float32" && dtype != "bfloat16") {
    return absl::InvalidArgumentError(
        absl::StrCat("dtype: must be auto, float32 or bfloat16, not \"",
                     base::Printable(dtype), "\""));
  }
  if (threads < 0 || threads > kMaxThreads) {
    return absl::InvalidArgumentError(absl::StrCat(
        "threads: must be in [0, ", kMaxThreads, "], not ", threads));
  }
  if (kv_cache_mib < 0 || kv_cache_mib > kMaxKvCacheMib) {
    return absl::InvalidArgumentError(
        absl::StrCat("kv_cache_mib: must be in [0, ", kMaxKvCacheMib, "], not ",
                     kv_cache_mib));
  }
  return absl::OkStatus();
}

}  // namespace cooper
