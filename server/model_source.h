#ifndef COOPER_SERVER_MODEL_SOURCE_H_
#define COOPER_SERVER_MODEL_SOURCE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace cooper {

// Which model to serve.
struct ModelSource {
  // One or two directories; none: the demo checkpoint that comes with the
  // program.
  std::vector<std::string> checkpoint_dirs;
  std::string device = "auto";  // "auto", "cpu", "cuda" or "cuda:N"
  std::string dtype = "auto";   // "auto", "float32" or "bfloat16"
  int64_t kv_cache_mib = 0;     // [0, 1048576]; 0: chosen from what is free
  // Threads of one operator on the CPU. [0, 1024]; 0: the cores that the
  // control group allows.
  int threads = 0;
  bool deterministic = false;
  // Verifies every weight file against SHA256SUMS, or against the name that the
  // hub gives it, while it is read.
  bool check_weights = false;
  // Rows of the engine's largest batches; 0: the model's own idea of them.
  int64_t prefill_rows = 0;
  int64_t denoise_rows = 0;

  // INVALID_ARGUMENT "flag: what is wrong".
  absl::Status Validate() const;
};

}  // namespace cooper

#endif  // COOPER_SERVER_MODEL_SOURCE_H_
