#ifndef COOPER_MODEL_TORCH_LOAD_MODEL_H_
#define COOPER_MODEL_TORCH_LOAD_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/cuda/kernels.h"
#include "model/load_progress.h"
#include "model/unified_model.h"

// The network on libtorch. No torch header here: this is all that programs
// outside model/torch see of it.

namespace cooper::torch_model {

class DeviceLayer;  // device_layer.h

struct LoadOptions {
  // One directory with everything, or the base's and the fine-tune's, whose
  // files win (checkpoint/checkpoint.h).
  std::vector<std::string> checkpoint_dirs;
  // "auto" (the first GPU, or the CPU where there is none), "cpu", "cuda" (the
  // first GPU) or "cuda:N".
  std::string device = "auto";
  // "auto", "float32" or "bfloat16". auto on a GPU is bfloat16; on a CPU the
  // faster one by measurement, which is float32 on nearly all.
  std::string dtype = "auto";
  // "auto" (the fastest for the device) or "generic": libtorch's operators
  // alone, for checks.
  std::string kernels = "auto";
  // Our own kernels for a GPU in place of the device's; tests give those of an
  // emulator, which run on a CPU. Null: the device's.
  const cuda::Launcher* launcher = nullptr;
  // Benchmarks and checks only: draws the weights on the device (weights.h).
  // The checkpoint then needs only its configuration and tokenizer files.
  bool random_weights = false;
  // Memory of all contexts together; 0: chosen from what is free, on a GPU by
  // the warm-up, which first measures what the largest batches need.
  int64_t kv_cache_mib = 0;
  // Rows of the largest prefill batch and of the largest denoising step, as the
  // engine will make them.
  int64_t prefill_rows = 8192;
  int64_t denoise_rows = 16384;
  // Results that do not depend on the rest of a batch on a GPU either, and do
  // not vary between runs. Slower.
  bool deterministic = false;
  // Threads of one operator on the CPU; 0: the cores that the control group
  // allows, or one for a model so small that threads do not pay.
  int threads = 0;
  // Verifies every weight file while it is read (checkpoint/weight_check.h).
  bool check_weights = false;
  // Is told how far the loading is; may be null, and outlives the call.
  model::LoadProgress* progress = nullptr;
  // For tests: the GPUs to see in place of the machine's; outlives the model.
  DeviceLayer* device_layer = nullptr;
};

// Reads a checkpoint and builds the network. NOT_FOUND, INVALID_ARGUMENT or
// DATA_LOSS name the file, tensor or key (or what the system says of a path);
// FAILED_PRECONDITION: no such device; RESOURCE_EXHAUSTED: not enough memory
// (needed and free in the message). Those two are marked as
// model::DeviceUnusable where they are a GPU's.
absl::StatusOr<std::unique_ptr<model::UnifiedModel>> LoadModel(
    const LoadOptions& options);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_LOAD_MODEL_H_
