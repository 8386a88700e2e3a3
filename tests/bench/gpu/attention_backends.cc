#include "tests/bench/gpu/attention_backends.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <c10/util/Exception.h>

#include <cmath>
#include <tuple>

namespace cooper::bench {
namespace {

// ATen's backends that scaled_dot_product_attention may take.
class Backends {
 public:
  Backends(bool cudnn, bool others)
      : cudnn_(context_.userEnabledCuDNNSDP()),
        flash_(context_.userEnabledFlashSDP()),
        efficient_(context_.userEnabledMemEfficientSDP()),
        math_(context_.userEnabledMathSDP()) {
    Set(cudnn, others, others, others);
  }
  ~Backends() { Set(cudnn_, flash_, efficient_, math_); }
  Backends(const Backends&) = delete;
  Backends& operator=(const Backends&) = delete;

 private:
  void Set(bool cudnn, bool flash, bool efficient, bool math) {
    context_.setSDPUseCuDNN(cudnn);
    context_.setSDPUseFlash(flash);
    context_.setSDPUseMemEfficient(efficient);
    context_.setSDPUseMath(math);
  }
  at::Context& context_ = at::globalContext();
  const bool cudnn_, flash_, efficient_, math_;
};

}  // namespace

Attention::Attention(const Bench& bench, const AttentionCase& c)
    : case_(c), device_(bench.device()) {
  const checkpoint::LlmConfig& llm = bench.shape().llm;
  heads_ = llm.num_attention_heads;
  kv_heads_ = llm.num_key_value_heads;
  dim_ = llm.head_dim();
  options_ =
      at::TensorOptions(bench.device().device).dtype(bench.device().dtype);
  q_ = at::randn({c.streams * c.rows, heads_, dim_}, options_);
  k_ = at::randn({c.streams * c.keys, kv_heads_, dim_}, options_);
  v_ = at::randn({c.streams * c.keys, kv_heads_, dim_}, options_);
}

double Attention::scale() const {
  return 1.0 / std::sqrt(static_cast<double>(dim_));
}

at::Tensor Attention::CuDnn() {
  const Backends only(/*cudnn=*/true, /*others=*/false);
  return Composed();
}

at::Tensor Attention::Others() {
  const Backends others(/*cudnn=*/false, /*others=*/true);
  return Composed();
}

void Attention::MakeOffsets() {
  if (row_ends_.defined()) return;
  const auto ends = [&](int64_t step) {
    return at::arange(0, (case_.streams + 1) * step, step,
                      options_.dtype(at::kInt));
  };
  row_ends_ = ends(case_.rows);
  key_ends_ = ends(case_.keys);
}

at::Tensor Attention::Ragged() {
  MakeOffsets();
  const std::optional<double> scale_of = scale();
  return std::get<0>(at::_flash_attention_forward(
      q_, k_, v_, row_ends_, key_ends_, case_.rows, case_.keys, 0.0,
      case_.causal, false, scale_of));
}

at::Tensor Attention::CuDnnRagged() {
  if (long_rows_ == nullptr) {
    long_rows_ = std::make_unique<torch_model::LongRows>(device_);
  }
  MakeOffsets();
  torch_model::SequenceLengths lengths;
  lengths.queries.assign(case_.streams, case_.rows);
  lengths.keys.assign(case_.streams, case_.keys);
  lengths.query_offsets = row_ends_;
  lengths.key_offsets = key_ends_;
  TORCH_CHECK(long_rows_->Takes(q_, k_, lengths),
              "short rows, or not on this device");
  return long_rows_->Attend(q_, k_, v_, lengths);
}

at::Tensor Attention::Equal() {
  const auto by_stream = [&](const at::Tensor& x) {
    return x.view({case_.streams, -1, x.size(1), dim_});
  };
  const std::optional<double> scale_of = scale();
  return std::get<0>(at::_flash_attention_forward(
                         by_stream(q_), by_stream(k_), by_stream(v_),
                         std::nullopt, std::nullopt, case_.rows, case_.keys,
                         0.0, false, false, scale_of))
      .reshape_as(q_);
}

at::Tensor Attention::Composed() {
  const int64_t group = heads_ / kv_heads_;
  const int64_t batch = case_.streams * kv_heads_;
  if (!composed_k_.defined()) {
    const auto spread = [&](const at::Tensor& x) {
      const at::Tensor heads =
          x.view({case_.streams, case_.keys, kv_heads_, dim_})
              .permute({0, 2, 1, 3})
              .contiguous()
              .view({batch, 1, case_.keys, dim_})
              .expand({batch, group, case_.keys, dim_});
      return case_.causal ? heads.contiguous() : heads;
    };
    composed_k_ = spread(k_);
    composed_v_ = spread(v_);
    composed_q_ = q_.view({case_.streams, case_.rows, kv_heads_, group, dim_})
                      .permute({0, 2, 3, 1, 4})
                      .reshape({batch, group, case_.rows, dim_});
    if (case_.causal) mask_ = Mask();
  }
  return at::scaled_dot_product_attention(composed_q_, composed_k_, composed_v_,
                                          mask_, 0.0,
                                          /*is_causal=*/false, scale())
      .view({case_.streams, kv_heads_, group, case_.rows, dim_})
      .permute({0, 3, 1, 2, 4})
      .reshape_as(q_);
}

at::Tensor Attention::Mask() const {
  const auto options = options_.dtype(at::kLong);
  return at::arange(case_.keys, options).unsqueeze(0) <=
         at::arange(case_.rows, options).unsqueeze(1) +
             (case_.keys - case_.rows);
}

at::Tensor Attention::Reference() const {
  const int64_t group = heads_ / kv_heads_;
  at::Tensor out = at::empty(q_.sizes(), q_.options().dtype(at::kFloat));
  for (int64_t stream = 0; stream < case_.streams; ++stream) {
    const auto rows = [&](const at::Tensor& x, int64_t count) {
      return x.narrow(0, stream * count, count);
    };
    for (int64_t head = 0; head < kv_heads_; ++head) {
      const at::Tensor q = rows(q_, case_.rows)
                               .narrow(1, head * group, group)
                               .permute({1, 0, 2})
                               .to(at::kFloat);  // [group, rows, dim]
      const at::Tensor k = rows(k_, case_.keys).select(1, head).to(at::kFloat);
      const at::Tensor v = rows(v_, case_.keys).select(1, head).to(at::kFloat);
      at::Tensor scores = at::matmul(q, k.t()).mul_(scale());
      if (case_.causal) {
        scores.masked_fill_(Mask().logical_not(), -INFINITY);
      }
      rows(out, case_.rows)
          .narrow(1, head * group, group)
          .copy_(at::matmul(scores.softmax(-1), v).permute({1, 0, 2}));
    }
  }
  return out;
}

}  // namespace cooper::bench
