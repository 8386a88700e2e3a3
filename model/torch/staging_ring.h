#ifndef COOPER_MODEL_TORCH_STAGING_RING_H_
#define COOPER_MODEL_TORCH_STAGING_RING_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <array>
#include <cstdint>
#include <optional>

namespace cooper::torch_model {

// Host memory from which a device is filled by asynchronous copies: two
// buffers, so that one is written while the other is being copied. On a CUDA
// device they are pinned; on others they are plain memory, from which copies
// are synchronous. Allocated at the first use and given back to the system with
// the ring, once the device has done with them.
//
// Not thread-safe. Copies go to the device's current stream, always the same.
class StagingRing {
 public:
  static constexpr int64_t kDefaultBufferBytes = int64_t{64} << 20;
  static constexpr int64_t kAlignment = 256;

  // `buffer_bytes`: a multiple of 4 * kAlignment.
  explicit StagingRing(c10::Device device,
                       int64_t buffer_bytes = kDefaultBufferBytes);
  ~StagingRing();
  StagingRing(const StagingRing&) = delete;
  StagingRing& operator=(const StagingRing&) = delete;

  // The next bytes to be written, `wanted` of them or fewer where a buffer ends
  // (then a multiple of kAlignment), as uint8. Waits until earlier copies out
  // of that memory are done. What was taken before must have been passed to
  // its copy.
  at::Tensor Take(int64_t wanted);

 private:
  struct Buffer {
    at::Tensor memory;
    std::optional<c10::Event> copied;  // only where copies are asynchronous
  };
  void Allocate();
  void Switch();

  const c10::Device device_;
  const int64_t buffer_bytes_;
  std::array<Buffer, 2> buffers_;
  size_t current_ = 0;
  int64_t used_ = 0;  // of the current buffer
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_STAGING_RING_H_
