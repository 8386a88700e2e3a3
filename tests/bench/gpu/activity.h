#ifndef COOPER_TESTS_BENCH_GPU_ACTIVITY_H_
#define COOPER_TESTS_BENCH_GPU_ACTIVITY_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "model/torch/device.h"

namespace cooper::bench {

// The launches of one kernel, copy or fill.
struct KernelTime {
  std::string name;  // demangled, with template arguments
  int64_t launches = 0;
  double seconds = 0.0;  // of all launches
};

// What a piece of work did, as libtorch's own profiler (Kineto, with CUPTI on a
// GPU) saw it.
struct Activity {
  int64_t operators = 0;      // ATen's, nested ones too
  int64_t kernels = 0;        // on the GPU, copies and fills not counted
  int64_t copies = 0;         // copies and fills on the GPU
  int64_t host_waits = 0;     // calls in which the host waits for the GPU
  double busy_seconds = 0.0;  // in which at least one of them ran on the GPU
  double span_seconds =
      0.0;  // from the first one's begin to the last one's end
  std::vector<KernelTime> kernel_times;  // the longest first

  // Without it, only `operators` is known: CUPTI was not to be had, or the
  // work ran on a CPU.
  bool saw_device() const { return kernels > 0; }
  double idle_share() const { return 1.0 - busy_seconds / span_seconds; }
};

// Runs `work` once under the profiler, which itself slows the host.
Activity Observe(const torch_model::Device& device,
                 const std::function<void()>& work);

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_GPU_ACTIVITY_H_
