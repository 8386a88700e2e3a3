#include <ATen/Parallel.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"
#include "model/torch/cpu/block_attention.h"
#include "model/torch/cpu/decode_layer.h"
#include "model/torch/cpu/paged_attention.h"
#include "model/torch/cpu/row_math.h"
#include "model/torch/kernels.h"

namespace cooper::torch_model {
namespace {

// Floats that one task should at least touch; below, threads cost more than
// they bring.
constexpr int64_t kGrainFloats = 16384;

// Query vectors of one task of attention: with their sums they stay in the
// second-level cache.
constexpr int64_t kTaskQueries = 256;

int64_t RowGrain(int64_t width) {
  return std::max<int64_t>(1, kGrainFloats / std::max<int64_t>(width, 1));
}

const float* Data(const at::Tensor& tensor) {
  return tensor.const_data_ptr<float>();
}
float* MutableData(at::Tensor& tensor) { return tensor.data_ptr<float>(); }

class CpuKernels final : public Kernels {
 public:
  std::unique_ptr<PassPlan> Prepare(
      PassLayout layout, const at::Tensor& inverse_frequency) override {
    const auto angles = [&](const std::vector<int64_t>& positions) {
      const at::Tensor x = at::outer(
          at::tensor(positions, at::kLong).to(at::kFloat), inverse_frequency);
      RowAngles result;
      result.cos = x.cos();
      result.sin = x.sin();
      return result;
    };
    RowAngles und = angles(layout.und_positions);
    RowAngles gen = angles(layout.gen_positions);
    at::Tensor ids;
    if (!layout.und_ids.empty()) ids = at::tensor(layout.und_ids, at::kLong);
    return std::make_unique<PassPlan>(std::move(layout), std::move(und),
                                      std::move(gen), std::move(ids));
  }

  at::Tensor Norm(const at::Tensor& x, const at::Tensor& weight,
                  double eps) override {
    const int64_t width = x.size(1);
    at::Tensor out = at::empty_like(x);
    const float* in = Data(x);
    const float* w = Data(weight);
    float* o = MutableData(out);
    at::parallel_for(0, x.size(0), RowGrain(width),
                     [&](int64_t begin, int64_t end) {
                       for (int64_t row = begin; row < end; ++row) {
                         row_math::Norm(in + row * width, w, o + row * width,
                                        width, static_cast<float>(eps));
                       }
                     });
    return out;
  }

  at::Tensor AddNorm(at::Tensor& x, const at::Tensor& delta,
                     const at::Tensor& weight, double eps) override {
    const int64_t width = x.size(1);
    at::Tensor out = at::empty_like(x);
    float* in = MutableData(x);
    const float* d = Data(delta);
    const float* w = Data(weight);
    float* o = MutableData(out);
    at::parallel_for(
        0, x.size(0), RowGrain(width), [&](int64_t begin, int64_t end) {
          for (int64_t row = begin; row < end; ++row) {
            row_math::AddNorm(in + row * width, d + row * width, w,
                              o + row * width, width, static_cast<float>(eps));
          }
        });
    return out;
  }

  void NormRope(at::Tensor& qkv, const HeadShape& shape,
                const at::Tensor& q_norm, const at::Tensor& k_norm,
                const RowAngles& angles, double eps) override {
    const int64_t width = qkv.size(1);
    const int64_t half = shape.dim / 2;
    const float* wq = q_norm.defined() ? Data(q_norm) : nullptr;
    const float* wk = k_norm.defined() ? Data(k_norm) : nullptr;
    const float* c = Data(angles.cos);
    const float* s = Data(angles.sin);
    float* data = MutableData(qkv);
    at::parallel_for(
        0, qkv.size(0), RowGrain(width), [&](int64_t begin, int64_t end) {
          for (int64_t row = begin; row < end; ++row) {
            float* head = data + row * width;
            for (int64_t h = 0; h < shape.heads + shape.kv_heads; ++h) {
              row_math::NormRope(head, h < shape.heads ? wq : wk,
                                 c + row * half, s + row * half, shape.dim,
                                 static_cast<float>(eps));
              head += shape.dim;
            }
          }
        });
  }

  at::Tensor SiluMul(const at::Tensor& gate_up) override {
    const int64_t half = gate_up.size(1) / 2;
    at::Tensor out = at::empty({gate_up.size(0), half}, gate_up.options());
    const float* in = Data(gate_up);
    float* o = MutableData(out);
    at::parallel_for(
        0, gate_up.size(0), RowGrain(half), [&](int64_t begin, int64_t end) {
          for (int64_t row = begin; row < end; ++row) {
            const float* gate = in + row * 2 * half;
            row_math::SiluMul(gate, gate + half, o + row * half, half);
          }
        });
    return out;
  }

  void WriteCache(int layer, const HeadShape& shape, const PassPlan& plan,
                  const Rows& qkv) override {
    for (const Segment& segment : plan.segments()) {
      if (segment.write) Write(layer, shape, segment, qkv);
    }
  }

  void Attend(int layer, const HeadShape& shape, const PassPlan& plan,
              const Rows& qkv, RowWindow window, Rows* out) override {
    AttendSingles(layer, shape, plan.segments(), qkv, window.und, out);
    for (const Segment& segment : plan.segments()) {
      if (IsSingle(segment)) continue;
      const RowRange und =
          window.und.Within(segment.und_begin, segment.und_count);
      const RowRange gen =
          window.gen.Within(segment.gen_begin, segment.gen_count);
      if (und.count() + gen.count() == 0) continue;
      // Packed once: keys and values of rows that do not stay come behind the
      // context's.
      Pack(layer, shape, segment, qkv);
      AttendRows(shape, segment, und, und.begin - segment.und_begin, qkv.und,
                 &out->und);
      AttendRows(shape, segment, gen, gen.begin - segment.gen_begin, qkv.gen,
                 &out->gen);
    }
  }

  bool DecodeLayer(int layer, const HeadShape& shape, const Expert& expert,
                   const PassPlan& plan, double eps, at::Tensor& x,
                   at::Tensor& delta) override {
    if (!DecodeLayerRunner::Suits(expert, x.size(0))) return false;
    decode_layer_.Run(layer, shape, expert, plan.segments(), plan.und().cos,
                      plan.und().sin, eps, x, delta);
    return true;
  }

 private:
  static bool IsSingle(const Segment& segment) {
    return segment.write && segment.tokens() == 1;
  }

  // Calls visit(row of keys and values, token of the segment).
  template <typename Visit>
  static void ForEachRow(const HeadShape& shape, const Segment& segment,
                         const Rows& qkv, const Visit& visit) {
    const int64_t width = shape.qkv_width();
    const int64_t first = shape.heads * shape.dim;
    for (int64_t row = 0; row < segment.und_count; ++row) {
      visit(Data(qkv.und) + (segment.und_begin + row) * width + first,
            segment.UndToken(row));
    }
    for (int64_t row = 0; row < segment.gen_count; ++row) {
      visit(Data(qkv.gen) + (segment.gen_begin + row) * width + first,
            segment.GenToken(row));
    }
  }

  static void Write(int layer, const HeadShape& shape, const Segment& segment,
                    const Rows& qkv) {
    const KvPool& pool = *segment.context->pool();
    const int64_t stride = shape.kv_heads * shape.dim;
    float* keys = pool.keys(layer).data_ptr<float>();
    float* values = pool.values(layer).data_ptr<float>();
    ForEachRow(shape, segment, qkv, [&](const float* row, int64_t token) {
      const int64_t slot = segment.context->Slot(segment.kv_before + token);
      std::memcpy(keys + slot * stride, row, stride * sizeof(float));
      std::memcpy(values + slot * stride, row + stride, stride * sizeof(float));
    });
  }

  // Segments of one token (decoding): read the pages where they are.
  void AttendSingles(int layer, const HeadShape& shape,
                     const std::vector<Segment>& segments, const Rows& qkv,
                     const RowRange& rows, Rows* out) {
    std::vector<const Segment*> singles;
    int64_t longest = 0;
    for (const Segment& segment : segments) {
      if (!IsSingle(segment)) continue;
      if (rows.Within(segment.und_begin, 1).count() == 0) continue;
      singles.push_back(&segment);
      longest = std::max(longest, segment.kv_before + 1);
    }
    if (singles.empty()) return;
    const KvPool& pool = *singles[0]->context->pool();
    const int64_t group = shape.heads / shape.kv_heads;
    const int64_t width = shape.qkv_width();
    const float* q = Data(qkv.und);
    float* o = MutableData(out->und);
    const int64_t tasks = static_cast<int64_t>(singles.size()) * shape.kv_heads;
    at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
      thread_local std::vector<float> scores;
      scores.resize(std::max<size_t>(
          scores.size(), paged_attention::ScratchFloats(group, longest)));
      for (int64_t task = begin; task < end; ++task) {
        const Segment& segment = *singles[task / shape.kv_heads];
        const int64_t kv_head = task % shape.kv_heads;
        paged_attention::Head head;
        head.query =
            q + segment.und_begin * width + kv_head * group * shape.dim;
        head.heads = group;
        head.dim = shape.dim;
        head.scale = 1.0f / std::sqrt(static_cast<float>(shape.dim));
        head.keys = Data(pool.keys(layer)) + kv_head * shape.dim;
        head.values = Data(pool.values(layer)) + kv_head * shape.dim;
        head.pages = segment.context->pages().data();
        head.page_tokens = KvPool::kPageTokens;
        head.token_stride = shape.kv_heads * shape.dim;
        head.tokens = segment.kv_before + 1;
        paged_attention::Attend(
            head, scores.data(),
            o + (segment.und_begin * shape.heads + kv_head * group) *
                    shape.dim);
      }
    });
  }

  // Fills keys_ and values_, [kv heads, a head's floats].
  void Pack(int layer, const HeadShape& shape, const Segment& segment,
            const Rows& qkv) {
    const int64_t total = segment.kv_before + segment.tokens();
    const KvPool& pool = *segment.context->pool();
    const int64_t stride = shape.kv_heads * shape.dim;
    key_rows_.resize(total);
    value_rows_.resize(total);
    const int64_t cached = segment.write ? total : segment.kv_before;
    for (int64_t token = 0; token < cached; ++token) {
      const int64_t slot = segment.context->Slot(token);
      key_rows_[token] = Data(pool.keys(layer)) + slot * stride;
      value_rows_[token] = Data(pool.values(layer)) + slot * stride;
    }
    if (!segment.write) {
      ForEachRow(shape, segment, qkv, [&](const float* row, int64_t token) {
        key_rows_[segment.kv_before + token] = row;
        value_rows_[segment.kv_before + token] = row + stride;
      });
    }
    const int64_t key_floats =
        block_attention::KeyFloats(block_, total, shape.dim);
    const int64_t value_floats =
        block_attention::ValueFloats(block_, total, shape.dim);
    Grow(&keys_, shape.kv_heads * key_floats);
    Grow(&values_, shape.kv_heads * value_floats);
    float* const keys = MutableData(keys_);
    float* const values = MutableData(values_);
    const int64_t panels =
        (total + block_.panel_tokens - 1) / block_.panel_tokens;
    at::parallel_for(
        0, panels, RowGrain(block_.panel_tokens * stride),
        [&](int64_t begin, int64_t end) {
          std::vector<const float*> rows(block_.panel_tokens);
          for (int64_t panel = begin; panel < end; ++panel) {
            const int64_t first = panel * block_.panel_tokens;
            const int64_t count = std::min(block_.panel_tokens, total - first);
            for (int64_t head = 0; head < shape.kv_heads; ++head) {
              const auto of_head = [&](const float* row) {
                return row + head * shape.dim;
              };
              std::transform(key_rows_.begin() + first,
                             key_rows_.begin() + first + count, rows.begin(),
                             of_head);
              block_.pack_keys(rows.data(), count, shape.dim,
                               keys + head * key_floats + first * shape.dim);
              std::transform(value_rows_.begin() + first,
                             value_rows_.begin() + first + count, rows.begin(),
                             of_head);
              block_.pack_values(
                  rows.data(), count, shape.dim,
                  values + head * value_floats + value_floats / total * first);
            }
          }
        });
  }

  // Rows of one kind over what is packed; the first is row `place` of those of
  // its segment.
  void AttendRows(const HeadShape& shape, const Segment& segment,
                  const RowRange& rows, int64_t place, const at::Tensor& qkv,
                  at::Tensor* out) {
    const int64_t begin = rows.begin;
    const int64_t count = rows.count();
    if (count == 0) return;
    const int64_t total = segment.kv_before + segment.tokens();
    const int64_t group = shape.heads / shape.kv_heads;
    const int64_t chunk = std::max<int64_t>(1, kTaskQueries / group);
    const int64_t chunks = (count + chunk - 1) / chunk;
    const int64_t key_floats =
        block_attention::KeyFloats(block_, total, shape.dim);
    const int64_t value_floats =
        block_attention::ValueFloats(block_, total, shape.dim);
    const float* const q = Data(qkv);
    float* const o = MutableData(*out);
    const int64_t out_stride = shape.heads * shape.dim;
    at::parallel_for(
        0, chunks * shape.kv_heads, 1, [&](int64_t first, int64_t last) {
          thread_local std::vector<float> scratch;
          scratch.resize(std::max<size_t>(
              scratch.size(),
              block_attention::ScratchFloats(block_, chunk, group, shape.dim)));
          for (int64_t task = first; task < last; ++task) {
            const int64_t head = task / chunks;
            const int64_t row = task % chunks * chunk;
            block_attention::Queries queries;
            queries.query = q + (begin + row) * shape.qkv_width() +
                            head * group * shape.dim;
            queries.row_stride = shape.qkv_width();
            queries.rows = std::min(chunk, count - row);
            queries.heads = group;
            queries.dim = shape.dim;
            queries.scale = 1.0f / std::sqrt(static_cast<float>(shape.dim));
            queries.visible =
                segment.causal ? segment.kv_before + place + row + 1 : total;
            queries.visible_step = segment.causal ? 1 : 0;
            block_.attend(
                queries,
                {keys_.const_data_ptr<float>() + head * key_floats,
                 values_.const_data_ptr<float>() + head * value_floats, total},
                scratch.data(),
                o + (begin + row) * out_stride + head * group * shape.dim,
                out_stride);
          }
        });
  }

  static void Grow(at::Tensor* buffer, int64_t floats) {
    if (buffer->defined() && buffer->numel() >= floats) return;
    *buffer = at::empty({floats + floats / 4}, at::kFloat);
  }

  const block_attention::Kernels& block_ = block_attention::BestKernels();
  DecodeLayerRunner decode_layer_;
  std::vector<const float*> key_rows_, value_rows_;  // of a segment's tokens
  at::Tensor keys_, values_;                         // packed
};

}  // namespace

std::unique_ptr<Kernels> MakeCpuKernels() {
  return std::make_unique<CpuKernels>();
}

}  // namespace cooper::torch_model
