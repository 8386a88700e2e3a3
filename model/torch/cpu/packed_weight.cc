#include "model/torch/cpu/packed_weight.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <vector>

#include "base/check.h"
#include "base/mutex.h"

namespace cooper::torch_model {
namespace {

using packed_gemm::Format;
using packed_gemm::Kernels;

constexpr size_t kAlignment = 64;
// Weights share chunks of this size, for which huge pages are asked for:
// reading them then takes far fewer page walks, and no matrix is rounded up.
constexpr size_t kChunkBytes = size_t{64} << 20;

// Rows of one task when rows are split among threads, at least.
constexpr int64_t kTaskRows = 96;

bool Holds(at::ScalarType type, const at::Tensor& weight) {
  return weight.scalar_type() == type ||
         weight.to(type).to(at::kFloat).equal(weight.to(at::kFloat));
}

Format FormatOf(const at::Tensor& weight) {
  // Infinities and NaNs are kept, but float16's are not handled by the kernels.
  if (Holds(at::kBFloat16, weight)) return Format::kBf16;
  if (Holds(at::kHalf, weight) && at::isfinite(weight).all().item<bool>()) {
    return Format::kF16;
  }
  return Format::kF32;
}

at::ScalarType TypeOf(Format format) {
  switch (format) {
    case Format::kBf16:
      return at::kBFloat16;
    case Format::kF16:
      return at::kHalf;
    case Format::kF32:
      break;
  }
  return at::kFloat;
}

// Panel `panel` of `weight` [n, k], which has the type of the format.
void PackPanel(const uint16_t* weight, int64_t n, int64_t k, int64_t panel,
               int64_t columns, uint16_t* out) {
  const int64_t half = columns / 2;
  for (int64_t c = 0; c < columns; ++c) {
    const int64_t row = panel * columns + c;
    // Low halves of the words come first (little endian).
    uint16_t* to = out + (c < half ? 2 * c : 2 * (c - half) + 1);
    for (int64_t i = 0; i < k; ++i) {
      to[i * columns] = row < n ? weight[row * k + i] : 0;
    }
  }
}

void PackPanel(const uint32_t* weight, int64_t n, int64_t k, int64_t panel,
               int64_t columns, uint32_t* out) {
  for (int64_t c = 0; c < columns; ++c) {
    const int64_t row = panel * columns + c;
    for (int64_t i = 0; i < k; ++i) {
      out[i * columns + c] = row < n ? weight[row * k + i] : 0;
    }
  }
}

template <typename Bits>
void Pack(const at::Tensor& weight, int64_t columns, int64_t panels,
          void* out) {
  const int64_t n = weight.size(0);
  const int64_t k = weight.size(1);
  const auto* from = static_cast<const Bits*>(weight.const_data_ptr());
  auto* to = static_cast<Bits*>(out);
  at::parallel_for(0, panels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; ++panel) {
      PackPanel(from, n, k, panel, columns, to + panel * columns * k);
    }
  });
}

// Anonymous memory, given back with the last pointer into it.
struct Chunk {
  explicit Chunk(size_t bytes) : size(bytes) {
    void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    madvise(mapped, size, MADV_HUGEPAGE);  // a wish
    memory = static_cast<char*>(mapped);
  }
  ~Chunk() { munmap(memory, size); }
  Chunk(const Chunk&) = delete;
  Chunk& operator=(const Chunk&) = delete;

  const size_t size;
  char* memory;
  size_t used = 0;
};

// `bytes` of zeros.
std::shared_ptr<void> AllocateWeights(size_t bytes) {
  static base::Mutex mutex;
  static std::weak_ptr<Chunk> last;
  const base::MutexLock lock(&mutex);
  const size_t size =
      (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  std::shared_ptr<Chunk> chunk = last.lock();
  if (chunk == nullptr || chunk->size - chunk->used < size) {
    chunk = std::make_shared<Chunk>(std::max(size, kChunkBytes));
    last = chunk;
  }
  void* memory = chunk->memory + chunk->used;
  chunk->used += size;
  return {chunk, memory};
}

}  // namespace

PackedWeight::PackedWeight(const at::Tensor& weight, const Kernels& kernels)
    : kernels_(&kernels) {
  COOPER_CHECK(weight.dim() == 2);
  packed_.format = FormatOf(weight);
  packed_.n = weight.size(0);
  packed_.k = weight.size(1);
  const bool wide = packed_.format == Format::kF32;
  bytes_ = panels() * kernels.panel_columns * packed_.k * (wide ? 4 : 2);
  memory_ = AllocateWeights(static_cast<size_t>(bytes_));
  void* memory = memory_.get();
  packed_.panels = memory;
  const at::Tensor stored = weight.to(TypeOf(packed_.format)).contiguous();
  if (wide) {
    Pack<uint32_t>(stored, kernels.panel_columns, panels(), memory);
  } else {
    Pack<uint16_t>(stored, kernels.panel_columns, panels(), memory);
  }
}

at::Tensor PackedWeight::Multiply(const at::Tensor& x,
                                  const at::Tensor& bias) const {
  const int64_t count = x.size(0);
  COOPER_CHECK(x.size(1) == packed_.k && x.stride(1) == 1);
  at::Tensor y = at::empty({count, packed_.n}, x.options());
  const float* added = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
  const packed_gemm::Rows rows{x.const_data_ptr<float>(), x.stride(0),
                               y.data_ptr<float>(), packed_.n, count};
  const int64_t threads = at::get_num_threads();
  if (count < kTaskRows * threads) {
    at::parallel_for(0, panels(), (panels() + threads - 1) / threads,
                     [&](int64_t begin, int64_t end) {
                       kernels_->multiply(packed_, begin, end, added, rows,
                                          PackedGemmScratch(*kernels_));
                     });
    return y;
  }
  // Whole blocks of rows for each thread: their inputs are laid out once.
  const int64_t block = kernels_->row_block;
  const int64_t blocks = (count + block - 1) / block;
  at::parallel_for(0, blocks, (blocks + threads - 1) / threads,
                   [&](int64_t begin, int64_t end) {
                     packed_gemm::Rows part = rows;
                     part.x += begin * block * rows.x_stride;
                     part.y += begin * block * rows.y_stride;
                     part.count = std::min(end * block, count) - begin * block;
                     kernels_->multiply(packed_, 0, panels(), added, part,
                                        PackedGemmScratch(*kernels_));
                   });
  return y;
}

float* PackedGemmScratch(const Kernels& kernels) {
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  thread_local std::unique_ptr<float, Free> scratch;
  thread_local int64_t floats = 0;
  if (floats < kernels.scratch_floats) {
    const size_t bytes =
        (kernels.scratch_floats * sizeof(float) + kAlignment - 1) / kAlignment *
        kAlignment;
    scratch.reset(static_cast<float*>(std::aligned_alloc(kAlignment, bytes)));
    if (scratch == nullptr) throw std::bad_alloc();
    floats = kernels.scratch_floats;
  }
  return scratch.get();
}

}  // namespace cooper::torch_model
