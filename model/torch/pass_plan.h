#ifndef COOPER_MODEL_TORCH_PASS_PLAN_H_
#define COOPER_MODEL_TORCH_PASS_PLAN_H_

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "model/torch/kv_cache.h"

// How the rows of one forward pass are laid out, and what its layers have in
// common.

namespace cooper::torch_model {

// One segment of a forward pass: a run of rows that belong to one context.
// Rows are kept apart by their kind (understanding, generation); the tokens of
// a latent image are soi, the generation rows, eoi, all others are the
// understanding rows in order.
struct Segment {
  PagedContext* context = nullptr;
  int64_t kv_before = 0;  // tokens of the context that it sees
  int64_t und_begin = 0, und_count = 0;
  int64_t gen_begin = 0, gen_count = 0;
  bool causal = false;  // else every row sees every row
  bool write = false;   // its keys and values stay in the context

  int64_t tokens() const { return und_count + gen_count; }
  // A segment with latents is in generation mode: the q and k norms and rope of
  // all its rows are float32 (model-spec section 2).
  bool generation() const { return gen_count > 0; }
  // Tokens of the KV cache that its rows see, its own included if they stay.
  int64_t cached() const { return kv_before + (write ? tokens() : 0); }
  // Place of an understanding row within the segment.
  int64_t UndToken(int64_t row) const {
    return gen_count > 0 && row > 0 ? row + gen_count : row;
  }
  int64_t GenToken(int64_t row) const { return row + 1; }
};

// Rows of both kinds; a kind without rows is a tensor of zero rows.
struct Rows {
  at::Tensor und;  // [und rows, width]
  at::Tensor gen;  // [gen rows, width]
};

// Rows [begin, end) of one kind.
struct RowRange {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t count() const { return end - begin; }
  // Those of `rows` rows from `first` on that are in it too.
  RowRange Within(int64_t first, int64_t rows) const {
    const RowRange common = {std::max(begin, first),
                             std::min(end, first + rows)};
    return common.begin < common.end ? common : RowRange{first, first};
  }
};

// A part of a pass's rows.
struct RowWindow {
  RowRange und, gen;
};

// The rows of a pass.
struct PassLayout {
  std::vector<Segment> segments;       // in the order of their rows
  std::vector<int64_t> und_positions;  // rope position by row
  std::vector<int64_t> gen_positions;
  // Token of each understanding row, where the pass looks embeddings up; else
  // empty.
  std::vector<int64_t> und_ids;
};

// Rope angles of rows of one kind, and how their norms and rope are computed.
struct RowAngles {
  // [rows, dim / 2] float32; under bfloat16 they hold values that bfloat16
  // holds too (model-spec section 2).
  at::Tensor cos, sin;
  // The same in the dtype of the pass; undefined where that is float32.
  at::Tensor narrow_cos, narrow_sin;
  // [rows, 1, 1] bool: rows in generation mode. Undefined: no row is, or
  // (`all_generation`) all are.
  at::Tensor generation;
  bool all_generation = false;

  RowAngles In(const RowRange& range) const;
};

// What the layers of a pass have in common; made by Kernels::Prepare once,
// before the first layer, so that no layer computes or uploads it again.
// Immutable.
class PassPlan {
 public:
  // `und_ids`: PassLayout's on the device, int64; undefined: none.
  PassPlan(PassLayout layout, RowAngles und, RowAngles gen, at::Tensor und_ids)
      : layout_(std::move(layout)),
        und_(std::move(und)),
        gen_(std::move(gen)),
        und_ids_(std::move(und_ids)) {}
  virtual ~PassPlan() = default;

  const std::vector<Segment>& segments() const { return layout_.segments; }
  const PassLayout& layout() const { return layout_; }
  const RowAngles& und() const { return und_; }
  const RowAngles& gen() const { return gen_; }
  const at::Tensor& und_ids() const { return und_ids_; }

 private:
  const PassLayout layout_;
  const RowAngles und_, gen_;
  const at::Tensor und_ids_;
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_PASS_PLAN_H_
