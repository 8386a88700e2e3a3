#include "model/torch/cpu/decode_layer.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "model/torch/cpu/paged_attention.h"
#include "model/torch/cpu/row_math.h"
#include "model/torch/cpu/thread_team.h"

namespace cooper::torch_model {
namespace {

// Tasks that a member gets of each matrix: more even out what other programs
// take of a processor, fewer keep reading sequential.
constexpr int64_t kTasksPerMember = 8;
// Blocks of rows up to which a panel is best turned into floats anew for each.
constexpr int64_t kMaxRowBlocks = 4;

const float* Data(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}

// One run: where everything is.
struct LayerRun {
  int layer;
  const HeadShape& shape;
  const Expert& expert;
  const std::vector<Segment>& segments;
  const float* cos;  // [rows, dim / 2]
  const float* sin;
  float eps;
  int64_t rows, hidden, middle;
  int members;

  const float* x_in;   // [rows, hidden]
  const float* delta;  // [rows, hidden], or null
  float* x_out;        // may be x_in
  float* delta_out;
  // Shared between members.
  float *qkv, *attention, *projected, *gate_up, *activated;
  float* own;     // a member's: [members, 2, rows, hidden]
  float* scores;  // a member's
  int64_t longest;

  TaskCounter qkv_tasks, head_tasks, out_tasks, gate_up_tasks, silu_tasks,
      down_tasks;

  float* OwnX(int member) const {
    return own + int64_t{2} * member * rows * hidden;
  }
  float* OwnNormed(int member) const { return OwnX(member) + rows * hidden; }
};

// This member's share of y = in W^T + b.
void Multiply(const LayerRun& run, const Linear& linear, const float* in,
              int64_t width, float* out, TaskCounter* tasks) {
  const PackedWeight& weight = *linear.packed();
  const int64_t panels = weight.panels();
  const int64_t size =
      std::max<int64_t>(1, panels / (kTasksPerMember * int64_t{run.members}));
  const packed_gemm::Rows rows{in, width, out, weight.out(), run.rows};
  float* scratch = PackedGemmScratch(weight.kernels());
  for (int64_t begin = tasks->Next() * size; begin < panels;
       begin = tasks->Next() * size) {
    weight.kernels().multiply(weight.packed(), begin,
                              std::min(begin + size, panels),
                              Data(linear.bias()), rows, scratch);
  }
}

// Norm, rope, the cache and attention of one row and key/value head.
void AttendHead(const LayerRun& run, int64_t row, int64_t kv_head,
                float* scores) {
  const HeadShape& shape = run.shape;
  const int64_t group = shape.heads / shape.kv_heads;
  const int64_t dim = shape.dim;
  float* qkv = run.qkv + row * shape.qkv_width();
  float* queries = qkv + kv_head * group * dim;
  float* key = qkv + (shape.heads + kv_head) * dim;
  const float* value = key + shape.kv_heads * dim;
  const float* cos = run.cos + row * (dim / 2);
  const float* sin = run.sin + row * (dim / 2);
  for (int64_t h = 0; h < group; ++h) {
    row_math::NormRope(queries + h * dim, Data(run.expert.q_norm), cos, sin,
                       dim, run.eps);
  }
  row_math::NormRope(key, Data(run.expert.k_norm), cos, sin, dim, run.eps);

  const Segment& segment = run.segments[row];
  const KvPool& pool = *segment.context->pool();
  const int64_t stride = shape.kv_heads * dim;
  const int64_t slot = segment.context->Slot(segment.kv_before);
  float* keys = pool.keys(run.layer).data_ptr<float>() + kv_head * dim;
  float* values = pool.values(run.layer).data_ptr<float>() + kv_head * dim;
  std::memcpy(keys + slot * stride, key, dim * sizeof(float));
  std::memcpy(values + slot * stride, value, dim * sizeof(float));

  paged_attention::Head head;
  head.query = queries;
  head.heads = group;
  head.dim = dim;
  head.scale = 1.0f / std::sqrt(static_cast<float>(dim));
  head.keys = keys;
  head.values = values;
  head.pages = segment.context->pages().data();
  head.page_tokens = KvPool::kPageTokens;
  head.token_stride = stride;
  head.tokens = segment.kv_before + 1;
  paged_attention::Attend(
      head, scores,
      run.attention + (row * shape.heads + kv_head * group) * dim);
}

void Attend(LayerRun* run, int member) {
  const int64_t kv_heads = run->shape.kv_heads;
  const int64_t group = run->shape.heads / kv_heads;
  float* scores = run->scores +
                  member * paged_attention::ScratchFloats(group, run->longest);
  for (int64_t task = run->head_tasks.Next(); task < run->rows * kv_heads;
       task = run->head_tasks.Next()) {
    AttendHead(*run, task / kv_heads, task % kv_heads, scores);
  }
}

// A member's own x += delta (null: nothing), and its norm.
void AddNorm(const LayerRun& run, const float* delta, const at::Tensor& weight,
             float* x, float* normed) {
  for (int64_t row = 0; row < run.rows; ++row) {
    const int64_t at = row * run.hidden;
    if (delta == nullptr) {
      row_math::Norm(x + at, Data(weight), normed + at, run.hidden, run.eps);
    } else {
      row_math::AddNorm(x + at, delta + at, Data(weight), normed + at,
                        run.hidden, run.eps);
    }
  }
}

void Silu(LayerRun* run) {
  for (int64_t row = run->silu_tasks.Next(); row < run->rows;
       row = run->silu_tasks.Next()) {
    const float* gate = run->gate_up + row * 2 * run->middle;
    row_math::SiluMul(gate, gate + run->middle,
                      run->activated + row * run->middle, run->middle);
  }
}

void Member(LayerRun* run, int member, TeamBarrier* barrier) {
  const Expert& expert = run->expert;
  const int64_t hidden = run->hidden;
  const int64_t attention_width = run->shape.heads * run->shape.dim;
  // The norms are computed by every member for itself: that is quicker than
  // waiting for one who does.
  float* x = run->OwnX(member);
  float* normed = run->OwnNormed(member);
  std::memcpy(x, run->x_in, run->rows * hidden * sizeof(float));
  AddNorm(*run, run->delta, expert.input_norm, x, normed);
  Multiply(*run, expert.qkv, normed, hidden, run->qkv, &run->qkv_tasks);
  barrier->Wait();
  Attend(run, member);
  barrier->Wait();
  Multiply(*run, expert.out, run->attention, attention_width, run->projected,
           &run->out_tasks);
  barrier->Wait();
  AddNorm(*run, run->projected, expert.post_norm, x, normed);
  // Nobody reads the old x any more.
  if (member == 0) {
    std::memcpy(run->x_out, x, run->rows * hidden * sizeof(float));
  }
  Multiply(*run, expert.gate_up, normed, hidden, run->gate_up,
           &run->gate_up_tasks);
  barrier->Wait();
  Silu(run);
  barrier->Wait();
  Multiply(*run, expert.down, run->activated, run->middle, run->delta_out,
           &run->down_tasks);
}

// Hands out pieces of one buffer; the first pass only counts.
class Pieces {
 public:
  explicit Pieces(float* base) : base_(base) {}
  float* Take(int64_t floats) {
    constexpr int64_t kLine = 16;
    const int64_t begin = used_;
    used_ += (floats + kLine - 1) / kLine * kLine;
    return base_ == nullptr ? nullptr : base_ + begin;
  }
  int64_t used() const { return used_; }

 private:
  float* base_;
  int64_t used_ = 0;
};

void Place(LayerRun* run, Pieces* pieces) {
  const HeadShape& shape = run->shape;
  const int64_t rows = run->rows;
  run->qkv = pieces->Take(rows * shape.qkv_width());
  run->attention = pieces->Take(rows * shape.heads * shape.dim);
  run->projected = pieces->Take(rows * run->hidden);
  run->gate_up = pieces->Take(rows * 2 * run->middle);
  run->activated = pieces->Take(rows * run->middle);
  run->own = pieces->Take(int64_t{2} * run->members * rows * run->hidden);
  run->scores = pieces->Take(run->members *
                             paged_attention::ScratchFloats(
                                 shape.heads / shape.kv_heads, run->longest));
}

}  // namespace

bool DecodeLayerRunner::Suits(const Expert& expert, int64_t rows) {
  const PackedWeight* packed = expert.qkv.packed();
  return packed != nullptr && rows > 0 &&
         rows <= kMaxRowBlocks * packed->kernels().row_block;
}

void DecodeLayerRunner::Run(int layer, const HeadShape& shape,
                            const Expert& expert,
                            const std::vector<Segment>& segments,
                            const at::Tensor& cos, const at::Tensor& sin,
                            double eps, at::Tensor& x, at::Tensor& delta) {
  COOPER_CHECK(static_cast<int64_t>(segments.size()) == x.size(0));
  int64_t longest = 0;
  for (const Segment& segment : segments) {
    longest = std::max(longest, segment.kv_before + 1);
  }
  const at::Tensor delta_out = at::empty_like(x);
  LayerRun run{.layer = layer,
               .shape = shape,
               .expert = expert,
               .segments = segments,
               .cos = Data(cos),
               .sin = Data(sin),
               .eps = static_cast<float>(eps),
               .rows = x.size(0),
               .hidden = x.size(1),
               .middle = expert.down.packed()->packed().k,
               .members = at::get_num_threads(),
               .x_in = Data(x),
               .delta = Data(delta),
               .x_out = x.data_ptr<float>(),
               .delta_out = delta_out.data_ptr<float>(),
               .longest = longest};
  Pieces count(nullptr);
  Place(&run, &count);
  if (static_cast<int64_t>(workspace_.size()) < count.used()) {
    workspace_.resize(count.used());
  }
  Pieces pieces(workspace_.data());
  Place(&run, &pieces);
  RunTeam(run.members, [&run](int member, TeamBarrier& barrier) {
    Member(&run, member, &barrier);
  });
  delta = delta_out;
}

}  // namespace cooper::torch_model
