#include "model/torch/upload.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

namespace cooper::torch_model {

at::Tensor Upload(const at::Tensor& host, const Device& device) {
  if (!device.device.is_cuda()) return host.to(device.device);
  // The allocator of pinned memory keeps the block until the copy is done.
  const at::Tensor pinned =
      at::empty(host.sizes(), host.options().pinned_memory(true));
  pinned.copy_(host);
  return pinned.to(device.device, /*non_blocking=*/true);
}

at::Tensor Download(const at::Tensor& tensor) {
  if (!tensor.is_cuda()) return tensor.to(at::kCPU).contiguous();
  const at::Tensor host = at::empty(
      tensor.sizes(), tensor.options().device(at::kCPU).pinned_memory(true));
  host.copy_(tensor);
  return host;
}

IntegerUpload::Part IntegerUpload::Add(const std::vector<int64_t>& values) {
  const Part part{static_cast<int64_t>(values_.size()),
                  static_cast<int64_t>(values.size())};
  values_.insert(values_.end(), values.begin(), values.end());
  return part;
}

void IntegerUpload::Send(const Device& device) {
  const at::Tensor host = at::from_blob(
      values_.data(), {static_cast<int64_t>(values_.size())}, at::kLong);
  sent_ = Upload(host, device);
  // On a CPU the copy above is none.
  if (sent_.is_same(host)) sent_ = host.clone();
}

at::Tensor IntegerUpload::Get(const Part& part) const {
  return sent_.narrow(0, part.begin, part.count);
}

}  // namespace cooper::torch_model
