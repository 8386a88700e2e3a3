#ifndef COOPER_MODEL_CUDA_LONG_ATTENTION_H_
#define COOPER_MODEL_CUDA_LONG_ATTENTION_H_

#include <cstdint>
#include <memory>
#include <string>

#include "model/cuda/kernels.h"

namespace cooper::cuda {

// Sequences of different lengths, one behind the other, in bfloat16; every
// query of a sequence sees every key of it. Offsets and lengths are device
// memory.
struct LongAttentionArgs {
  const void* query = nullptr;  // tokens of [heads, dim], query_stride apart
  const void* keys = nullptr;   // [tokens, kv_heads, dim], dense
  const void* values = nullptr;
  void* out = nullptr;  // [tokens, heads, dim], dense
  // [sequences + 1] where each sequence begins, and the end of the last, in
  // elements of the tensor.
  const int32_t* query_offsets = nullptr;
  const int32_t* key_offsets = nullptr;  // of values too
  const int32_t* out_offsets = nullptr;
  // [sequences] tokens.
  const int32_t* query_lengths = nullptr;
  const int32_t* key_lengths = nullptr;
  int64_t sequences = 0;
  int64_t most_queries = 0;  // of a sequence
  int64_t most_keys = 0;
  int64_t query_stride = 0;  // elements from token to token
  int heads = 0;
  int kv_heads = 0;
  int dim = 0;
  float scale = 0.0f;
  void* workspace = nullptr;  // of WorkspaceBytes()
};

// A library's attention for long rows. It makes a plan for each set of sizes,
// which takes tens of milliseconds of the host; sizes are rounded up, and the
// number of plans is bounded. Not thread-safe.
class LongAttention {
 public:
  virtual ~LongAttention() = default;

  // Makes the plan for these sizes unless there is one. Below 0: the library
  // does not take them; error() says why.
  virtual int64_t WorkspaceBytes(const LongAttentionArgs& args) = 0;
  // After WorkspaceBytes with the same sizes. Waits for nothing. False: error()
  // says what failed.
  virtual bool Run(const LongAttentionArgs& args, Stream stream) = 0;
  virtual const std::string& error() const = 0;
};

// cuDNN's, through the library that the process has loaded or finds. Null and
// `*error`: there is none, or this build knows none.
std::unique_ptr<LongAttention> MakeCudnnAttention(std::string* error);

}  // namespace cooper::cuda

#endif  // COOPER_MODEL_CUDA_LONG_ATTENTION_H_
