#ifndef COOPER_MODEL_TORCH_MEMORY_PLAN_H_
#define COOPER_MODEL_TORCH_MEMORY_PLAN_H_

#include <c10/core/ScalarType.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint/config.h"
#include "model/torch/device_layer.h"
#include "model/torch/kv_cache.h"
#include "model/torch/load_model.h"

namespace cooper::torch_model {

// How a GPU's memory is divided: weights, a workspace for what a batch needs
// while it runs, a margin, and the KV pool, which gets the rest. All in bytes.
struct MemoryPlan {
  int64_t weights = 0;
  // Estimated from the shapes of the largest batches; once the warm-up has run
  // those, what they took.
  int64_t workspace = 0;
  int64_t page = 0;  // of the KV pool
  // The smallest pool that is of use: what the largest prefill batch appends,
  // or what --kv_cache_mib asks for.
  int64_t least_pool = 0;
  int64_t asked_pool = 0;  // --kv_cache_mib; 0: not given

  // Left free: for blocks of the allocator that do not fit what is asked for,
  // and for what CUDA's libraries load when they are first used.
  int64_t margin() const;

  // Before anything is loaded. RESOURCE_EXHAUSTED, with the bytes needed and
  // free: the GPU is too small, or is in use by others.
  absl::Status CheckFree(const DeviceMemory& memory) const;
  // The pool to begin with: the asked one, or one that leaves room for batches
  // that are larger than estimated, for the warm-up to measure.
  absl::StatusOr<int64_t> FirstPool(const DeviceMemory& memory) const;
  // The pool after the warm-up, where `memory` is what is free without a pool.
  absl::StatusOr<int64_t> FinalPool(const DeviceMemory& memory) const;
  // The pool of a CPU, where `memory` is the host's with the weights loaded:
  // the asked one, else UsualHostPool or half of what is free, whichever is
  // less. RESOURCE_EXHAUSTED: less is free than asked for or than is of use.
  absl::StatusOr<int64_t> HostPool(const DeviceMemory& memory) const;
  int64_t UsualHostPool() const;
  // What to warn of where the host's pool has `bytes`; empty: nothing.
  absl::string_view HostPoolWarning(int64_t bytes,
                                    const DeviceMemory& memory) const;
};

MemoryPlan PlanMemory(const checkpoint::LlmConfig& llm,
                      const checkpoint::VitConfig& vit,
                      const checkpoint::CooperConfig& cooper,
                      const LoadOptions& options, at::ScalarType dtype);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_MEMORY_PLAN_H_
