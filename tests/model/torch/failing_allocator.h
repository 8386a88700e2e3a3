#ifndef COOPER_TESTS_MODEL_TORCH_FAILING_ALLOCATOR_H_
#define COOPER_TESTS_MODEL_TORCH_FAILING_ALLOCATOR_H_

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

namespace cooper::torch_model {

// libtorch's allocator of host memory, which can be told to run out of memory
// as the one of a GPU does. One at a time; not thread-safe.
class FailingAllocator final : public c10::Allocator {
 public:
  FailingAllocator() : real_(c10::GetCPUAllocator()) {
    c10::SetCPUAllocator(this, kPriority);
  }
  ~FailingAllocator() override { c10::SetCPUAllocator(real_, kPriority); }

  // The allocation after `count` more fails, and all after it until the next
  // call. Negative: none fails.
  void FailAfter(int count) { left_ = count; }
  bool failed() const { return left_ == 0; }

  c10::DataPtr allocate(size_t bytes) override {
    if (left_ == 0) {
      TORCH_CHECK_WITH(OutOfMemoryError, false, "out of memory on purpose");
    }
    if (left_ > 0) --left_;
    return real_->allocate(bytes);
  }
  c10::DeleterFnPtr raw_deleter() const override {
    return real_->raw_deleter();
  }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    real_->copy_data(to, from, bytes);
  }

 private:
  static constexpr uint8_t kPriority = 100;
  c10::Allocator* const real_;
  int left_ = -1;
};

}  // namespace cooper::torch_model

#endif  // COOPER_TESTS_MODEL_TORCH_FAILING_ALLOCATOR_H_
