#include "model/torch/packed_gemm.h"

#include <initializer_list>

namespace cooper::torch_model::packed_gemm {

// Each defined by one build of packed_gemm_kernels.cc.
extern const Kernels kBaselineKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif

const Kernels* BaselineKernels() { return &kBaselineKernels; }

const Kernels* Avx2Kernels() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return &kAvx2Kernels;
  }
#endif
  return nullptr;
}

const Kernels* Avx512Kernels() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("fma")) {
    return &kAvx512Kernels;
  }
#endif
  return nullptr;
}

const Kernels& BestKernels() {
  static const Kernels& kBest = *[] {
    for (const Kernels* kernels : {Avx512Kernels(), Avx2Kernels()}) {
      if (kernels != nullptr) return kernels;
    }
    return BaselineKernels();
  }();
  return kBest;
}

}  // namespace cooper::torch_model::packed_gemm
