#include <ATen/Parallel.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <tuple>

#include "model/torch/decode_layer.h"
#include "model/torch/kernels.h"
#include "model/torch/paged_attention.h"
#include "model/torch/row_math.h"
#include "server/base/check.h"

namespace cooper::torch_model {
namespace {

// Floats that one task should at least touch; below, threads cost more than
// they bring.
constexpr int64_t kGrainFloats = 16384;

int64_t RowGrain(int64_t width) {
  return std::max<int64_t>(1, kGrainFloats / std::max<int64_t>(width, 1));
}

const float* Data(const at::Tensor& tensor) {
  return tensor.const_data_ptr<float>();
}
float* MutableData(at::Tensor& tensor) { return tensor.data_ptr<float>(); }

class CpuKernels final : public Kernels {
 public:
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
                const at::Tensor& cos, const at::Tensor& sin, double eps,
                bool /*wide*/) override {
    const int64_t width = qkv.size(1);
    const int64_t half = shape.dim / 2;
    const float* wq = q_norm.defined() ? Data(q_norm) : nullptr;
    const float* wk = k_norm.defined() ? Data(k_norm) : nullptr;
    const float* c = Data(cos);
    const float* s = Data(sin);
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

  void WriteCache(int layer, const HeadShape& shape,
                  const std::vector<Segment>& segments,
                  const Rows& qkv) override {
    for (const Segment& segment : segments) {
      if (segment.write) Write(layer, shape, segment, qkv);
    }
  }

  void Attend(int layer, const HeadShape& shape,
              const std::vector<Segment>& segments, const Rows& qkv,
              RowWindow window, Rows* out) override {
    if (window.begin == 0) AttendSingles(layer, shape, segments, qkv, out);
    for (const Segment& segment : segments) {
      if (IsSingle(segment)) continue;
      RowWindow own = window;
      if (segment.gen_count > 0) {
        own.begin = std::max(window.begin, segment.gen_begin);
        own.end = std::min(window.end, segment.gen_begin + segment.gen_count);
        if (own.begin >= own.end) continue;
      } else if (window.begin > 0) {
        continue;
      }
      AttendMany(layer, shape, segment, qkv, own, out);
    }
  }

  bool DecodeLayer(int layer, const HeadShape& shape, const Expert& expert,
                   const std::vector<Segment>& segments, const at::Tensor& cos,
                   const at::Tensor& sin, double eps, at::Tensor& x,
                   at::Tensor& delta) override {
    if (!DecodeLayerRunner::Suits(expert, x.size(0))) return false;
    decode_layer_.Run(layer, shape, expert, segments, cos, sin, eps, x, delta);
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
                     Rows* out) {
    std::vector<const Segment*> singles;
    int64_t longest = 0;
    for (const Segment& segment : segments) {
      if (!IsSingle(segment)) continue;
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

  // Longer segments: keys and values are gathered once into a workspace, where
  // rows that do not stay are put behind the context.
  void AttendMany(int layer, const HeadShape& shape, const Segment& segment,
                  const Rows& qkv, RowWindow window, Rows* out) {
    const int64_t n = segment.tokens();
    const int64_t total = segment.kv_before + n;
    const int64_t stride = shape.kv_heads * shape.dim;
    Grow(&keys_, total * stride);
    Grow(&values_, total * stride);
    Gather(layer, segment, segment.kv_before + (segment.write ? n : 0), stride);
    if (!segment.write) {
      float* keys = MutableData(keys_);
      float* values = MutableData(values_);
      ForEachRow(shape, segment, qkv, [&](const float* row, int64_t token) {
        const int64_t slot = segment.kv_before + token;
        std::memcpy(keys + slot * stride, row, stride * sizeof(float));
        std::memcpy(values + slot * stride, row + stride,
                    stride * sizeof(float));
      });
    }
    const bool first =
        segment.gen_count == 0 || window.begin == segment.gen_begin;
    if (segment.und_count > 0 && first) {
      Flash(shape, segment, total, segment.und_begin, segment.und_count,
            qkv.und, &out->und);
    }
    if (segment.gen_count == 0) return;
    for (int64_t row = window.begin; row < window.end; row += kAttendRows) {
      Flash(shape, segment, total, row, std::min(kAttendRows, window.end - row),
            qkv.gen, &out->gen);
    }
  }

  void Gather(int layer, const Segment& segment, int64_t tokens,
              int64_t stride) {
    const KvPool& pool = *segment.context->pool();
    const float* keys = Data(pool.keys(layer));
    const float* values = Data(pool.values(layer));
    float* to_keys = MutableData(keys_);
    float* to_values = MutableData(values_);
    const std::vector<int32_t>& pages = segment.context->pages();
    constexpr int64_t kPage = KvPool::kPageTokens;
    at::parallel_for(
        0, (tokens + kPage - 1) / kPage, RowGrain(kPage * stride),
        [&](int64_t begin, int64_t end) {
          for (int64_t page = begin; page < end; ++page) {
            const int64_t count = std::min(kPage, tokens - page * kPage);
            const int64_t from = int64_t{pages[page]} * kPage * stride;
            const int64_t to = page * kPage * stride;
            const size_t bytes = count * stride * sizeof(float);
            std::memcpy(to_keys + to, keys + from, bytes);
            std::memcpy(to_values + to, values + from, bytes);
          }
        });
  }

  // Rows [begin, begin + n) of one kind over the workspace.
  void Flash(const HeadShape& shape, const Segment& segment, int64_t total,
             int64_t begin, int64_t n, const at::Tensor& qkv, at::Tensor* out) {
    const int64_t group = shape.heads / shape.kv_heads;
    // Key/value heads as the batch, so that none is repeated.
    const at::Tensor query =
        qkv.narrow(0, begin, n)
            .narrow(1, 0, shape.heads * shape.dim)
            .unflatten(1, {shape.kv_heads, group, shape.dim})
            .permute({1, 2, 0, 3});
    const auto spread = [&](const at::Tensor& workspace) {
      return workspace.narrow(0, 0, total * shape.kv_heads * shape.dim)
          .view({total, shape.kv_heads, shape.dim})
          .permute({1, 0, 2})
          .unsqueeze(1)
          .expand({shape.kv_heads, group, total, shape.dim});
    };
    std::optional<at::Tensor> mask;
    if (segment.causal) mask = CausalMask(n, total);
    const at::Tensor result =
        std::get<0>(at::_scaled_dot_product_flash_attention_for_cpu(
            query, spread(keys_), spread(values_), 0.0, /*is_causal=*/false,
            mask, 1.0 / std::sqrt(static_cast<double>(shape.dim))));
    out->narrow(0, begin, n)
        .view({n, shape.kv_heads, group, shape.dim})
        .copy_(result.permute({2, 0, 1, 3}));
  }

  // [n, total]: row i sees all but the last n - 1 - i.
  const at::Tensor& CausalMask(int64_t n, int64_t total) {
    if (!mask_.defined() || mask_.size(0) != n || mask_.size(1) != total) {
      mask_ = at::full({n, total}, 0.0, at::kFloat);
      for (int64_t i = 0; i < n; ++i) {
        float* row = MutableData(mask_) + i * total;
        std::fill(row + total - n + i + 1, row + total,
                  -std::numeric_limits<float>::infinity());
      }
    }
    return mask_;
  }

  static void Grow(at::Tensor* buffer, int64_t floats) {
    if (buffer->defined() && buffer->numel() >= floats) return;
    *buffer = at::empty({floats + floats / 4}, at::kFloat);
  }

  DecodeLayerRunner decode_layer_;
  at::Tensor keys_, values_;  // workspace
  at::Tensor mask_;           // of the last causal segment
};

}  // namespace

std::unique_ptr<Kernels> MakeCpuKernels() {
  return std::make_unique<CpuKernels>();
}

}  // namespace cooper::torch_model
