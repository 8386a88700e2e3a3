#include "model/torch/token_choice.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstdint>

#include "absl/types/span.h"
#include "model/torch/kernels_gpu.h"
#include "model/torch/sampler.h"
#include "model/torch/upload.h"

namespace cooper::torch_model {
namespace {

// How each item's token is chosen; draws the numbers that it takes.
std::vector<cuda::SampleRow> RowsOf(
    const std::vector<model::DecodeItem*>& items) {
  std::vector<cuda::SampleRow> rows;
  for (const model::DecodeItem* const item : items) {
    cuda::SampleRow row;
    if (item->sampling.do_sample) {
      row.temperature =
          std::max(item->sampling.temperature, kLowestTemperature);
      row.top_p = item->sampling.top_p;
      row.uniform = item->noise->Uniform();
    }
    rows.push_back(row);
  }
  return rows;
}

at::Tensor ChooseOnDevice(const Device& device, const at::Tensor& logits,
                          const std::vector<model::DecodeItem*>& items) {
  std::vector<cuda::SampleRow> rows = RowsOf(items);
  const auto count = static_cast<int64_t>(rows.size());
  const at::Tensor device_rows = Upload(
      at::from_blob(rows.data(),
                    {count, static_cast<int64_t>(sizeof(cuda::SampleRow))},
                    at::kByte),
      device);
  const bool sampled = std::any_of(
      rows.begin(), rows.end(),
      [](const cuda::SampleRow& row) { return row.temperature > 0.0; });
  const at::Tensor weights = at::empty({sampled ? logits.numel() : 0},
                                       logits.options().dtype(at::kLong));
  at::Tensor tokens = at::empty({count}, logits.options().dtype(at::kInt));
  cuda::SampleArgs args;
  args.logits = logits.const_data_ptr<float>();
  args.rows =
      reinterpret_cast<const cuda::SampleRow*>(device_rows.const_data_ptr());
  args.weights = reinterpret_cast<unsigned long long*>(weights.data_ptr());
  args.tokens = tokens.data_ptr<int32_t>();
  args.count = count;
  args.stride = logits.stride(0);
  args.vocabulary = logits.size(1);
  CheckLaunched(device.launcher->Sample(args, cuda::Stream()), "Sample");
  return Download(tokens);
}

}  // namespace

TokenChoice::TokenChoice(const Device& device, const at::Tensor& logits,
                         const std::vector<model::DecodeItem*>& items)
    : items_(items) {
  if (device.launcher != nullptr) {
    tokens_ = ChooseOnDevice(device, logits, items);
  } else {
    logits_ = logits.is_cpu() ? logits : Download(logits);
  }
}

void TokenChoice::Choose() const {
  if (!tokens_.defined()) {
    ChooseOnHost();
    return;
  }
  const auto* const tokens = tokens_.const_data_ptr<int32_t>();
  for (size_t i = 0; i < items_.size(); ++i) {
    const bool finite = tokens[i] != cuda::SampleArgs::kNotFinite;
    items_[i]->status = finite ? absl::OkStatus()
                               : absl::InternalError("a logit is not finite");
    if (finite) items_[i]->next = tokens[i];
  }
}

void TokenChoice::ChooseOnHost() const {
  const auto* const data = logits_.const_data_ptr<float>();
  for (size_t i = 0; i < items_.size(); ++i) {
    const absl::StatusOr<model::TokenId> token = SampleToken(
        absl::MakeSpan(data + static_cast<int64_t>(i) * logits_.stride(0),
                       logits_.size(1)),
        items_[i]->sampling, items_[i]->noise);
    items_[i]->status = token.status();
    if (token.ok()) items_[i]->next = *token;
  }
}

}  // namespace cooper::torch_model
