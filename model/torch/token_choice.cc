#include "model/torch/token_choice.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/amin.h>
#include <ATen/ops/max.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <cmath>
#include <cstdint>

#include "absl/types/span.h"
#include "model/torch/sampler.h"
#include "model/torch/upload.h"

namespace cooper::torch_model {
namespace {

// Rows of `logits`, all or those of `rows`, on the host.
at::Tensor HostRows(const at::Tensor& logits, const std::vector<int64_t>& rows,
                    int64_t items) {
  const bool all = static_cast<int64_t>(rows.size()) == items;
  if (all) return Download(logits);
  return Download(logits.index_select(
      0, at::tensor(rows, at::kLong).to(logits.device())));
}

}  // namespace

TokenChoice::TokenChoice(const at::Tensor& logits,
                         const std::vector<model::DecodeItem*>& items)
    : on_gpu_(!logits.is_cpu()) {
  const auto count = static_cast<int64_t>(items.size());
  std::vector<int64_t> sampled_rows;
  std::vector<int64_t> greedy_rows;
  for (int64_t i = 0; i < count; ++i) {
    // A host's own logits need no travel.
    const bool greedy = !items[i]->sampling.do_sample && on_gpu_;
    std::vector<int64_t>& rows = greedy ? greedy_rows : sampled_rows;
    (greedy ? greedy_ : sampled_)
        .push_back({items[i], greedy ? i : static_cast<int64_t>(rows.size())});
    rows.push_back(i);
  }
  if (!greedy_.empty()) {
    // Of all rows: the others cost nothing beside an index. Of equal logits the
    // first is the largest. Token ids are exact in float32.
    const auto [largest, tokens] = at::max(logits, 1);
    extremes_ = Download(
        at::stack({largest, tokens.to(at::kFloat), at::amin(logits, 1)}));
  }
  if (!sampled_.empty()) logits_ = HostRows(logits, sampled_rows, count);
}

void TokenChoice::Choose() const {
  ChooseGreedy();
  ChooseSampled();
}

void TokenChoice::ChooseGreedy() const {
  for (const auto& [item, row] : greedy_) {
    const auto of = [&](int64_t what) {
      return extremes_.const_data_ptr<float>()[what * extremes_.size(1) + row];
    };
    // The largest is NaN if any logit is.
    if (!std::isfinite(of(0)) || !std::isfinite(of(2))) {
      item->status = absl::InternalError("a logit is not finite");
      continue;
    }
    item->status = absl::OkStatus();
    item->next = static_cast<model::TokenId>(of(1));
  }
}

void TokenChoice::ChooseSampled() const {
  const auto rows = static_cast<int64_t>(sampled_.size());
  if (rows == 0) return;
  const auto* const data = logits_.const_data_ptr<float>();
  const int64_t width = logits_.size(1);
  // On a CPU the network's own threads are not free for more.
  const int64_t grain = on_gpu_ ? 1 : rows;
  at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto& [item, row] = sampled_[i];
      const absl::StatusOr<model::TokenId> token = SampleToken(
          absl::MakeSpan(data + row * width, width), item->sampling,
          item->noise);
      item->status = token.status();
      if (token.ok()) item->next = *token;
    }
  });
}

}  // namespace cooper::torch_model
