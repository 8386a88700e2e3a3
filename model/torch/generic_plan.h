#ifndef COOPER_MODEL_TORCH_GENERIC_PLAN_H_
#define COOPER_MODEL_TORCH_GENERIC_PLAN_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "model/torch/attention.h"
#include "model/torch/device.h"
#include "model/torch/pass_plan.h"

namespace cooper::torch_model {

// Rows of one kind whose keys and values stay in the cache.
struct CacheWrites {
  bool all = false;  // all rows of the kind, in order
  at::Tensor rows;   // else: their indices, int64; may be empty
  at::Tensor slots;  // slots of the pool that they go to, int64
};

// Consecutive rows of one kind within the rows of a call.
struct RowRun {
  bool gen = false;
  int64_t begin = 0;  // row of its kind
  int64_t count = 0;
  int64_t place = 0;  // row of the call
};

// Single tokens, each the last of its context, as the paged kernel takes them:
// int64 on the device.
struct PagedTokens {
  at::Tensor rows;     // [tokens] understanding rows
  at::Tensor pages;    // [tokens, pages of the longest context]
  at::Tensor lengths;  // [tokens] of the contexts, the token included
};

// Segments that attend in one call: the rows of each in turn, understanding
// rows first; its keys are those in the cache, then those of its rows that do
// not stay.
struct AttentionCall {
  std::vector<size_t> segments;
  SequenceLengths lengths;
  // Undefined tensors: the call takes `slots`.
  PagedTokens paged;
  at::Tensor slots;  // of all cached keys, int64
  std::vector<RowRun> runs;
  bool own_keys =
      false;  // whether keys of rows that do not stay are among them
};

// The plan of GenericKernels: page tables as lists of slots, on the device.
class GenericPlan final : public PassPlan {
 public:
  // One upload. See Kernels::Prepare.
  static std::unique_ptr<GenericPlan> Make(PassLayout layout,
                                           const at::Tensor& inverse_frequency,
                                           const Device& device);

  const CacheWrites& und_writes() const { return und_writes_; }
  const CacheWrites& gen_writes() const { return gen_writes_; }
  const std::vector<AttentionCall>& calls() const { return calls_; }

 private:
  GenericPlan(PassLayout layout, RowAngles und, RowAngles gen,
              at::Tensor und_ids)
      : PassPlan(std::move(layout), std::move(und), std::move(gen),
                 std::move(und_ids)) {}

  CacheWrites und_writes_, gen_writes_;
  std::vector<AttentionCall> calls_;
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_GENERIC_PLAN_H_
