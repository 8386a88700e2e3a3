#include "model/torch/weight_upload.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <set>

#include "base/status_macros.h"
#include "model/torch/finite.h"

namespace cooper::torch_model {
namespace {

// What a thread reads at once: small enough to be checked while it is cached.
constexpr int64_t kReadBytes = int64_t{1} << 20;

// Calls `part(begin, bytes)` for the parts of `total` bytes, in several threads
// of which each takes the next part when it is done with one. Returns the first
// error by place, after which no more parts are begun.
absl::Status ForParts(
    int64_t total,
    absl::FunctionRef<absl::Status(int64_t begin, int64_t bytes)> part) {
  const int64_t parts = (total + kReadBytes - 1) / kReadBytes;
  std::vector<absl::Status> statuses(parts);
  std::atomic<int64_t> next = 0;
  const auto work = [&](int64_t /*first*/, int64_t /*last*/) {
    for (int64_t i = next++; i < parts; i = next++) {
      const int64_t begin = i * kReadBytes;
      statuses[i] = part(begin, std::min(kReadBytes, total - begin));
      if (!statuses[i].ok()) next = parts;
    }
  };
  at::parallel_for(0, std::min<int64_t>(parts, at::get_num_threads()), 1, work);
  for (const absl::Status& status : statuses) COOPER_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

}  // namespace

absl::Status WeightUpload::FillInPlace(const std::string& name, Read read,
                                       const at::Tensor& destination) {
  auto* const to = static_cast<std::byte*>(destination.data_ptr());
  const auto size = static_cast<int64_t>(destination.element_size());
  std::atomic<bool> finite = true;
  const auto read_part = [&](int64_t begin, int64_t bytes) {
    const absl::Status status = read(begin, bytes, to + begin);
    if (status.ok() &&
        !AllFinite(to + begin, bytes / size, destination.scalar_type())) {
      finite = false;
    }
    return status;
  };
  COOPER_RETURN_IF_ERROR(
      ForParts(static_cast<int64_t>(destination.nbytes()), read_part));
  if (!finite) not_finite_.push_back(names_.size());
  names_.push_back(name);
  return absl::OkStatus();
}

absl::Status WeightUpload::Fill(const std::string& name, at::ScalarType type,
                                Read read, const at::Tensor& destination) {
  if (device_.is_cpu() && destination.scalar_type() == type) {
    return FillInPlace(name, read, destination);
  }
  const auto size = static_cast<int64_t>(c10::elementSize(type));
  const at::Tensor values = destination.view({-1});
  for (int64_t done = 0; done < values.numel();) {
    const at::Tensor staged = ring_.Take((values.numel() - done) * size);
    auto* const to = static_cast<std::byte*>(staged.data_ptr());
    COOPER_RETURN_IF_ERROR(
        ForParts(staged.numel(), [&](int64_t begin, int64_t bytes) {
          return read(done * size + begin, bytes, to + begin);
        }));
    const int64_t count = staged.numel() / size;
    const at::Tensor part = values.narrow(0, done, count);
    done += count;
    if (type == part.scalar_type()) {
      part.copy_(staged.view(type), /*non_blocking=*/true);
      Check(part);
    } else {
      const at::Tensor stored =
          staged.view(type).to(device_.device, /*non_blocking=*/true);
      part.copy_(stored);
      Check(stored);
    }
  }
  names_.push_back(name);
  return absl::OkStatus();
}

void WeightUpload::Check(const at::Tensor& values) {
  const auto [least, greatest] = at::aminmax(values);  // NaN if there is one
  extremes_.push_back(least.to(at::kFloat));
  extremes_.push_back(greatest.to(at::kFloat));
  piece_tensors_.push_back(names_.size());
}

std::vector<std::string> WeightUpload::Finish() {
  std::set<size_t> found(not_finite_.begin(), not_finite_.end());
  if (!extremes_.empty()) {
    const at::Tensor extremes = at::stack(extremes_).to(at::kCPU);
    const auto* values = extremes.const_data_ptr<float>();
    for (size_t i = 0; i < extremes_.size(); ++i) {
      if (!std::isfinite(values[i])) found.insert(piece_tensors_[i / 2]);
    }
  }
  std::vector<std::string> names;
  names.reserve(found.size());
  for (const size_t index : found) names.push_back(names_[index]);
  names_.clear();
  piece_tensors_.clear();
  extremes_.clear();
  not_finite_.clear();
  return names;
}

}  // namespace cooper::torch_model
