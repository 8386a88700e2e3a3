#include "model/torch/staging_ring.h"

#include <ATen/core/CachingHostAllocator.h>
#include <ATen/ops/empty.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>

#include "base/check.h"

namespace cooper::torch_model {

StagingRing::StagingRing(c10::Device device, int64_t buffer_bytes)
    : device_(device), buffer_bytes_(buffer_bytes) {
  COOPER_CHECK(buffer_bytes > 0 && buffer_bytes % (4 * kAlignment) == 0);
}

StagingRing::~StagingRing() {
  if (!device_.is_cuda() || !buffers_[0].memory.defined()) return;
  // The allocator waits for copies under way before it frees pinned memory.
  for (Buffer& buffer : buffers_) buffer.memory.reset();
  at::getHostAllocator(device_.type())->empty_cache();
}

void StagingRing::Allocate() {
  for (Buffer& buffer : buffers_) {
    buffer.memory = at::empty(
        {buffer_bytes_},
        at::TensorOptions(at::kByte).pinned_memory(device_.is_cuda()));
    if (device_.is_cuda()) buffer.copied.emplace(device_.type());
  }
}

void StagingRing::Switch() {
  if (Buffer& full = buffers_[current_]; full.copied) {
    full.copied->record(
        c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
  }
  current_ = 1 - current_;
  used_ = 0;
  // An event that was never recorded is not waited for.
  if (const Buffer& next = buffers_[current_]; next.copied) {
    next.copied->synchronize();
  }
}

at::Tensor StagingRing::Take(int64_t wanted) {
  if (!buffers_[0].memory.defined()) Allocate();
  // A small piece at the end of a buffer is not worth a copy of its own.
  if (buffer_bytes_ - used_ < std::min(wanted, buffer_bytes_ / 4)) Switch();
  const int64_t bytes = std::min(wanted, buffer_bytes_ - used_);
  const at::Tensor taken = buffers_[current_].memory.narrow(0, used_, bytes);
  used_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return taken;
}

}  // namespace cooper::torch_model
