#include "server/model_loader.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "model/fake/fake_model.h"

#ifdef COOPER_WITH_TORCH
#include <filesystem>

#include "model/torch/load_model.h"
#include "model/torch/process.h"
#endif

namespace cooper {
namespace {

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

#ifdef COOPER_WITH_TORCH
// Installed beside the program, or in the source tree that it was built from.
absl::StatusOr<std::string> FindDemoCheckpoint() {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path installed =
      program.parent_path().parent_path() / "share/cooper/demo-checkpoint";
  for (const fs::path& path : {installed, fs::path(COOPER_DEMO_CHECKPOINT)}) {
    if (fs::is_directory(path, error)) return path.string();
  }
  return absl::NotFoundError(absl::StrCat("checkpoint: no demo checkpoint in ",
                                          installed.string(),
                                          "; give --checkpoint"));
}
#endif

}  // namespace

absl::Status ModelSource::Validate() const {
  if (!fake_script.empty() && !checkpoint_dirs.empty()) {
    return absl::InvalidArgumentError(
        "fake_model: cannot be given together with checkpoint");
  }
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
  if (kv_cache_mib < 0 || kv_cache_mib > kMaxKvCacheMib) {
    return absl::InvalidArgumentError(
        absl::StrCat("kv_cache_mib: must be in [0, ", kMaxKvCacheMib, "], not ",
                     kv_cache_mib));
  }
#ifndef COOPER_WITH_TORCH
  if (fake_script.empty()) {
    return absl::InvalidArgumentError(
        "fake_model: required, since this program was built without libtorch");
  }
#endif
  return absl::OkStatus();
}

void PrepareProcess([[maybe_unused]] char** argv) {
#ifdef COOPER_WITH_TORCH
  torch_model::PrepareProcess(argv);
#endif
}

absl::StatusOr<std::unique_ptr<model::UnifiedModel>> LoadModel(
    const ModelSource& source, [[maybe_unused]] model::LoadProgress* progress) {
  COOPER_RETURN_IF_ERROR(source.Validate());
  if (!source.fake_script.empty()) {
    return fake::LoadFakeModel(source.fake_script);
  }
#ifdef COOPER_WITH_TORCH
  torch_model::LoadOptions options;
  options.checkpoint_dirs = source.checkpoint_dirs;
  if (options.checkpoint_dirs.empty()) {
    COOPER_ASSIGN_OR_RETURN(std::string demo, FindDemoCheckpoint());
    options.checkpoint_dirs.push_back(std::move(demo));
  }
  options.device = source.device;
  options.dtype = source.dtype;
  options.kv_cache_mib = source.kv_cache_mib;
  options.deterministic = source.deterministic;
  options.check_weights = source.check_weights;
  options.progress = progress;
  if (source.append_rows > 0) options.append_rows = source.append_rows;
  if (source.flow_rows > 0) options.flow_rows = source.flow_rows;
  return torch_model::LoadModel(options);
#else
  return absl::FailedPreconditionError("built without libtorch");
#endif
}

}  // namespace cooper
