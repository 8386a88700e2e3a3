#include "server/model_loader.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

#ifdef COOPER_WITH_TORCH
#include <filesystem>

#include "model/torch/load_model.h"
#include "model/torch/process.h"
#endif

namespace cooper {
namespace {
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

void PrepareProcess([[maybe_unused]] char** argv) {
#ifdef COOPER_WITH_TORCH
  torch_model::PrepareProcess(argv);
#endif
}

absl::StatusOr<std::unique_ptr<model::UnifiedModel>> LoadModel(
    const ModelSource& source, [[maybe_unused]] model::LoadProgress* progress) {
  COOPER_RETURN_IF_ERROR(source.Validate());
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
  options.threads = source.threads;
  options.deterministic = source.deterministic;
  options.check_weights = source.check_weights;
  options.progress = progress;
  if (source.prefill_rows > 0) options.prefill_rows = source.prefill_rows;
  if (source.denoise_rows > 0) options.denoise_rows = source.denoise_rows;
  return torch_model::LoadModel(options);
#else
  return absl::FailedPreconditionError("built without libtorch");
#endif
}

}  // namespace cooper
