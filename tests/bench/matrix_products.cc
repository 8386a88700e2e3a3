#include "tests/bench/matrix_products.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/bench/timing.h"

namespace cooper::bench {
namespace {

constexpr int kTrials = 5;

c10::IValue Call(const char* name, std::vector<c10::IValue> arguments) {
  const c10::OperatorHandle handle =
      c10::Dispatcher::singleton().findSchemaOrThrow(name, "");
  torch::jit::Stack stack(std::move(arguments));
  handle.callBoxed(&stack);
  return stack.back();
}

double Best(const std::function<void()>& work) {
  double best = 1e9;
  for (int i = 0; i < kTrials; ++i) best = std::min(best, Seconds(work));
  return best;
}

}  // namespace

MatrixProducts::Product MatrixProducts::FastestLinear(int64_t rows, int64_t out,
                                                      int64_t in) {
  const at::Tensor x = at::randn({rows, in});
  const at::Tensor weight =
      at::randn({out, in}).mul_(0.03).to(at::kBFloat16).to(at::kFloat);
  const c10::IValue half =
      Call("quantized::linear_prepack_fp16", {weight, c10::IValue()});
  const c10::IValue packed =
      Call("mkldnn::_reorder_linear_weight", {weight, rows});
  std::vector<std::pair<std::string, std::function<void()>>> candidates;
  candidates.emplace_back("plain", [=] { at::linear(x, weight); });
  candidates.emplace_back("packed fp16", [=] {
    Call("quantized::linear_dynamic_fp16", {x, half});
  });
  candidates.emplace_back("packed fp32", [=] {
    Call("mkldnn::_linear_pointwise",
         {x, packed, c10::IValue(), "none",
          c10::List<std::optional<at::Scalar>>(), ""});
  });
  size_t fastest = 0;
  double best = 1e9;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const double seconds = Best(candidates[i].second);
    if (seconds < best) {
      best = seconds;
      fastest = i;
    }
  }
  return {candidates[fastest].first, candidates[fastest].second,
          2.0 * static_cast<double>(rows) * static_cast<double>(out) *
              static_cast<double>(in)};
}

MatrixProducts::MatrixProducts(const checkpoint::LlmConfig& llm,
                               int64_t und_rows, int64_t gen_rows, int branches,
                               int64_t context)
    : layers_(llm.num_hidden_layers) {
  const int64_t hidden = llm.hidden_size;
  const int64_t q = llm.num_attention_heads * llm.head_dim();
  const int64_t qkv = q + int64_t{2} * llm.num_key_value_heads * llm.head_dim();
  for (const int64_t rows : {und_rows, gen_rows}) {
    if (rows == 0) continue;
    products_.push_back(FastestLinear(rows, qkv, hidden));
    products_.push_back(FastestLinear(rows, hidden, q));
    products_.push_back(
        FastestLinear(rows, int64_t{2} * llm.intermediate_size, hidden));
    products_.push_back(FastestLinear(rows, hidden, llm.intermediate_size));
  }
  // Q K^T and P V of every branch, heads as the batch.
  const int64_t rows = (und_rows + gen_rows) / branches;
  const int64_t total = context + rows;
  const int64_t heads = llm.num_attention_heads;
  const at::Tensor queries = at::randn({heads, rows, llm.head_dim()});
  const at::Tensor keys = at::randn({heads, llm.head_dim(), total});
  const at::Tensor scores = at::randn({heads, rows, total});
  const at::Tensor values = at::randn({heads, total, llm.head_dim()});
  for (int i = 0; i < branches; ++i) {
    products_.push_back({"bmm",
                         [=] {
                           at::bmm(queries, keys);
                           at::bmm(scores, values);
                         },
                         4.0 * static_cast<double>(heads * llm.head_dim()) *
                             static_cast<double>(rows) *
                             static_cast<double>(total)});
  }
  for (const Product& product : products_) flop_ += product.flop * layers_;
}

void MatrixProducts::Run() const {
  for (int layer = 0; layer < layers_; ++layer) {
    for (const Product& product : products_) product.run();
  }
}

std::string MatrixProducts::Choices() const {
  std::map<std::string, int> counts;
  for (const Product& product : products_) ++counts[product.kernel];
  std::string text;
  for (const auto& [kernel, count] : counts) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", kernel, " x", count);
  }
  return text;
}

}  // namespace cooper::bench
