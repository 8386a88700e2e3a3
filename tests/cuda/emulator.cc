#include "tests/cuda/emulator.h"

#include <algorithm>
#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"

namespace cooper::cuda::emulator {

constinit thread_local Index thread_index, block_index, block_size, grid_size;

namespace {

constexpr size_t kStackBytes = size_t{128} << 10;
constexpr unsigned kWarp = 32;
constexpr unsigned kMostThreads = 1024;

// Threads that wait for each other.
struct Barrier {
  unsigned live = 0;  // threads that have not ended
  unsigned waiting = 0;
  uint64_t passed = 0;

  void OpenIfAllWait() {
    if (waiting == 0 || waiting < live) return;
    waiting = 0;
    ++passed;
  }
};

struct Warp {
  Barrier barrier;
  // Of this and the last wait by turns: a thread that runs ahead reaches its
  // next wait at most, so it writes the half that no thread reads.
  unsigned char given[2][kWarp][kGivenBytes] = {};
};

// Runs thread after thread until one of them waits.
struct Fiber {
  boost::context::fiber handle;  // while it does not run
  size_t index = 0;
  unsigned thread = 0;
  bool idle = true;
};

// The threads of one block at a time. Where a fiber waits, another goes on with
// the threads that have not begun. Fibers are kept from block to block.
class Block {
 public:
  void Run(unsigned threads, size_t shared_bytes,
           const std::function<void()>& body) {
    threads_ = threads;
    body_ = &body;
    shared_.resize((shared_bytes + sizeof(uint4) - 1) / sizeof(uint4));
    if (!shared_.empty()) {
      std::memset(static_cast<void*>(shared_.data()), 0xff,
                  shared_.size() * sizeof(uint4));
    }
    next_ = 0;
    block_ = {threads, 0, 0};
    warps_.resize((threads + kWarp - 1) / kWarp);
    for (unsigned i = 0; i < warps_.size(); ++i) {
      warps_[i].barrier = {std::min(kWarp, threads - i * kWarp), 0, 0};
    }
    used_ = 0;
    while (next_ < threads_) {
      if (used_ == fibers_.size()) AddFiber();
      SwitchTo(fibers_[used_++].get());
    }
    for (size_t i = 0; i < used_; ++i) {
      while (!fibers_[i]->idle) SwitchTo(fibers_[i].get());
    }
  }

  bool runs() const { return running_ != nullptr; }
  void* shared() { return shared_.data(); }
  Barrier* block_barrier() { return &block_; }
  Warp* warp() { return &warps_[thread_index.x / kWarp]; }

  void Wait(Barrier* barrier) {
    const uint64_t passed = barrier->passed;
    ++barrier->waiting;
    barrier->OpenIfAllWait();
    while (barrier->passed == passed) SwitchTo(NextAfter(running_));
  }

 private:
  void AddFiber() {
    fibers_.push_back(std::make_unique<Fiber>());
    Fiber* const fiber = fibers_.back().get();
    fiber->index = fibers_.size() - 1;
    fiber->handle = boost::context::fiber(
        std::allocator_arg, boost::context::fixedsize_stack(kStackBytes),
        [this, fiber](boost::context::fiber&& from) {
          Keep(std::move(from));
          for (;;) {
            RunThreads(fiber);
            SwitchTo(nullptr);
          }
          return boost::context::fiber();
        });
  }

  void RunThreads(Fiber* fiber) {
    fiber->idle = false;
    while (next_ < threads_) {
      fiber->thread = next_++;
      thread_index.x = fiber->thread;
      (*body_)();
      for (Barrier* const barrier : {&block_, &warp()->barrier}) {
        --barrier->live;
        barrier->OpenIfAllWait();
      }
    }
    fiber->idle = true;
  }

  // The fiber that continues while `fiber` waits, in a circle; null (Run starts
  // another) as long as there are threads that have not begun.
  Fiber* NextAfter(const Fiber* fiber) const {
    if (next_ < threads_) return nullptr;
    size_t i = fiber->index;
    do {
      i = i + 1 < used_ ? i + 1 : 0;
    } while (fibers_[i]->idle);
    return fibers_[i].get();
  }

  // Switches to a fiber, or to Run (null). Returns when another has switched
  // back.
  void SwitchTo(Fiber* next) {
    if (next == running_) return;
    from_ = running_;
    running_ = next;
    if (next != nullptr) thread_index.x = next->thread;
    Keep(std::move(next == nullptr ? main_ : next->handle).resume());
  }

  // Stores the handle of the fiber, or of Run, that switched here.
  void Keep(boost::context::fiber&& handle) {
    (from_ == nullptr ? main_ : from_->handle) = std::move(handle);
  }

  unsigned threads_ = 0;
  const std::function<void()>* body_ = nullptr;
  std::vector<uint4> shared_;
  std::vector<Warp> warps_;
  Barrier block_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  size_t used_ = 0;             // of fibers_, by this block
  boost::context::fiber main_;  // Run, while a fiber runs
  Fiber* running_ = nullptr;    // null: Run
  Fiber* from_ = nullptr;       // what ran before; null: Run
  unsigned next_ = 0;           // thread that no fiber has begun
};

thread_local Block block;

float FromBits(uint32_t bits) { return __uint_as_float(bits << 16); }

}  // namespace

void Launch(unsigned blocks_x, unsigned blocks_y, unsigned blocks_z,
            unsigned threads, size_t shared_bytes,
            const std::function<void()>& body) {
  COOPER_CHECK(threads > 0 && threads <= kMostThreads && !block.runs());
  block_size = {threads, 1, 1};
  grid_size = {blocks_x, blocks_y, blocks_z};
  for (unsigned z = 0; z < blocks_z; ++z) {
    for (unsigned y = 0; y < blocks_y; ++y) {
      for (unsigned x = 0; x < blocks_x; ++x) {
        block_index = {x, y, z};
        block.Run(threads, shared_bytes, body);
      }
    }
  }
}

void* SharedMemory() { return block.shared(); }

void SyncBlock() { block.Wait(block.block_barrier()); }

void SyncWarp() { block.Wait(&block.warp()->barrier); }

const unsigned char (*Give(const void* from, size_t bytes))[kGivenBytes] {
  Warp* const warp = block.warp();
  auto& given = warp->given[warp->barrier.passed % 2];
  std::memcpy(given[thread_index.x % kWarp], from, bytes);
  SyncWarp();
  return given;
}

void MultiplyAdd(float (&d)[4], const uint32_t (&a)[4],
                 const uint32_t (&b)[2]) {
  struct Words {
    uint32_t a[4], b[2];
  };
  const Words own = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
  static_assert(sizeof(own) == kGivenBytes);
  Words all[kWarp];
  std::memcpy(all, Give(&own, sizeof(own)), sizeof(all));
  const unsigned g = thread_index.x % kWarp / 4;
  const unsigned t = thread_index.x % 4;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned column = 2 * t + i % 2;
    for (unsigned k = 0; k < 16; ++k) {
      const unsigned pair = k % 8 / 2;  // of the lane that holds it
      const unsigned shift = k % 2 * 16;
      const uint32_t left = all[g * 4 + pair].a[i / 2 + k / 8 * 2];
      const uint32_t right = all[column * 4 + pair].b[k / 8];
      d[i] += FromBits((left >> shift) & 0xffff) *
              FromBits((right >> shift) & 0xffff);
    }
  }
}

uint32_t Transposed(uint32_t x) {
  uint32_t all[kWarp];
  const auto* const given = Give(&x, sizeof(x));
  for (unsigned i = 0; i < kWarp; ++i) {
    std::memcpy(&all[i], given[i], sizeof(x));
  }
  const unsigned g = thread_index.x % kWarp / 4;
  const unsigned t = thread_index.x % 4;
  const auto at = [&](unsigned row, unsigned column) {
    return (all[row * 4 + column / 2] >> (column % 2 * 16)) & 0xffff;
  };
  return at(2 * t, g) | (at(2 * t + 1, g) << 16);
}

}  // namespace cooper::cuda::emulator
