#ifndef COOPER_SERVER_MODEL_LOADER_H_
#define COOPER_SERVER_MODEL_LOADER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/load_progress.h"
#include "model/unified_model.h"

namespace cooper {

// Which model to serve.
struct ModelSource {
  // JSON script of a fake model; if set, nothing else counts.
  std::string fake_script;
  // One or two directories; none: the demo checkpoint that comes with the
  // program.
  std::vector<std::string> checkpoint_dirs;
  std::string device = "auto";  // "auto", "cpu", "cuda" or "cuda:N"
  std::string dtype = "auto";   // "auto", "float32" or "bfloat16"
  int64_t kv_cache_mib = 0;     // [0, 1048576]; 0: chosen from what is free
  bool deterministic = false;
  // Verifies every weight file against SHA256SUMS, or against the name that the
  // hub gives it, while it is read.
  bool check_weights = false;
  // Rows of the engine's largest batches; 0: the model's own idea of them.
  int64_t append_rows = 0;
  int64_t flow_rows = 0;

  // INVALID_ARGUMENT "flag: what is wrong"; also where this program was built
  // without the network and no fake model is asked for.
  absl::Status Validate() const;
};

// Call first in main(), before any thread is started: sets up what the model's
// runtime reads when the program is loaded, which may start it once more.
void PrepareProcess(char** argv);

// Blocks for as long as reading takes. Errors name the file.
// `progress`, if any, is told how far it is and must outlive the call.
absl::StatusOr<std::unique_ptr<model::UnifiedModel>> LoadModel(
    const ModelSource& source, model::LoadProgress* progress = nullptr);

}  // namespace cooper

#endif  // COOPER_SERVER_MODEL_LOADER_H_
