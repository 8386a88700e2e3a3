#include "model/torch/long_attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/logging.h"

namespace cooper::torch_model {
namespace {

// Rows of a sequence from which on it is worth its preparation.
constexpr int64_t kLongRows = 512;
constexpr int kHopper = 9;  // compute capability

int64_t Longest(const std::vector<int64_t>& lengths) {
  return *std::max_element(lengths.begin(), lengths.end());
}

// Lengths of sequences from where they begin.
at::Tensor Differences(const at::Tensor& offsets) {
  const int64_t count = offsets.size(0) - 1;
  return offsets.narrow(0, 1, count) - offsets.narrow(0, 0, count);
}

const int32_t* IntegersOf(const at::Tensor& tensor) {
  return tensor.const_data_ptr<int32_t>();
}

}  // namespace

bool LongRows::Takes(const at::Tensor& query, const at::Tensor& keys,
                     const SequenceLengths& lengths) {
  if (lengths.causal || Longest(lengths.queries) < kLongRows ||
      !device_.device.is_cuda() || query.scalar_type() != at::kBFloat16 ||
      query.stride(1) != query.size(2)) {
    return false;
  }
  if (!tried_) Try(query.size(1), keys.size(1), query.size(2));
  return attention_ != nullptr;
}

at::Tensor LongRows::Attend(const at::Tensor& query, const at::Tensor& keys,
                            const at::Tensor& values,
                            const SequenceLengths& lengths) {
  const at::Tensor k = keys.contiguous();
  const at::Tensor v = values.contiguous();
  at::Tensor out = at::empty(query.sizes(), query.options());
  const at::Tensor query_offsets = lengths.query_offsets * query.stride(0);
  const at::Tensor key_offsets = lengths.key_offsets * k.stride(0);
  const at::Tensor out_offsets = lengths.query_offsets * out.stride(0);
  const at::Tensor query_lengths = Differences(lengths.query_offsets);
  const at::Tensor key_lengths = Differences(lengths.key_offsets);
  cuda::LongAttentionArgs args;
  args.query = query.const_data_ptr();
  args.keys = k.const_data_ptr();
  args.values = v.const_data_ptr();
  args.out = out.data_ptr();
  args.query_offsets = IntegersOf(query_offsets);
  args.key_offsets = IntegersOf(key_offsets);
  args.out_offsets = IntegersOf(out_offsets);
  args.query_lengths = IntegersOf(query_lengths);
  args.key_lengths = IntegersOf(key_lengths);
  args.sequences = query_lengths.size(0);
  args.most_queries = Longest(lengths.queries);
  args.most_keys = Longest(lengths.keys);
  args.query_stride = query.stride(0);
  args.heads = static_cast<int>(query.size(1));
  args.kv_heads = static_cast<int>(k.size(1));
  args.dim = static_cast<int>(query.size(2));
  args.scale =
      static_cast<float>(1.0 / std::sqrt(static_cast<double>(query.size(2))));
  const int64_t bytes = attention_->WorkspaceBytes(args);
  TORCH_CHECK(bytes >= 0, "attention of long rows: ", attention_->error());
  const at::Tensor workspace =
      at::empty({bytes}, query.options().dtype(at::kByte));
  args.workspace = workspace.data_ptr();
  TORCH_CHECK(attention_->Run(args, cuda::Stream()),
              "attention of long rows: ", attention_->error());
  return out;
}

void LongRows::Try(int64_t heads, int64_t kv_heads, int64_t dim) {
  tried_ = true;
  std::string error;
  const auto properties = device_.layer->Properties(device_.gpu);
  if (!properties.ok() || properties->major != kHopper) {
    error = "compute capability is not 9";
  } else {
    attention_ = device_.launcher->MakeLongAttention(&error);
  }
  if (attention_ != nullptr) {
    try {
      if (!IsRight(heads, kv_heads, dim)) error = "its results differ";
    } catch (const c10::OutOfMemoryError&) {
      tried_ = false;
      attention_.reset();
      throw;
    } catch (const c10::Error& failure) {
      error = failure.what_without_backtrace();
    }
    if (!error.empty()) attention_.reset();
  }
  base::Log(base::LogLevel::kInfo, "attention of long rows",
            {{"by", attention_ != nullptr ? "cuDNN" : "FlashAttention"},
             {"reason", error}});
}

// On random numbers, for two sequences whose lengths are no multiples.
bool LongRows::IsRight(int64_t heads, int64_t kv_heads, int64_t dim) {
  constexpr double kTolerance = 0.1;  // of the root mean square
  SequenceLengths lengths;
  lengths.queries = {kLongRows + 2, 200};
  lengths.keys = {kLongRows + 901, 1301};
  const auto offsets = [&](const std::vector<int64_t>& of) {
    return at::tensor(Offsets(of), at::kInt).to(device_.device);
  };
  lengths.query_offsets = offsets(lengths.queries);
  lengths.key_offsets = offsets(lengths.keys);
  const auto random = [&](const std::vector<int64_t>& of, int64_t count) {
    return at::randn({of[0] + of[1], count, dim},
                     at::TensorOptions(device_.device).dtype(at::kBFloat16));
  };
  const at::Tensor q = random(lengths.queries, heads);
  const at::Tensor k = random(lengths.keys, kv_heads);
  const at::Tensor v = random(lengths.keys, kv_heads);
  const at::Tensor want = AttendSequences(q, k, v, lengths).to(at::kFloat);
  const at::Tensor error =
      (Attend(q, k, v, lengths).to(at::kFloat) - want).abs();
  return error.max().item<double>() <=
         kTolerance * want.square().mean().sqrt().item<double>();
}

}  // namespace cooper::torch_model
