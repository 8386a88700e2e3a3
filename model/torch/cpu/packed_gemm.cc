#include "model/torch/cpu/packed_gemm.h"

#include "model/torch/cpu/instruction_set.h"

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
  if (RunsAvx2()) return &kAvx2Kernels;
#endif
  return nullptr;
}

const Kernels* Avx512Kernels() {
#if defined(__x86_64__)
  if (RunsAvx512()) return &kAvx512Kernels;
#endif
  return nullptr;
}

const Kernels& BestKernels() {
  static const Kernels& kBest =
      *Widest(Avx512Kernels(), Avx2Kernels(), BaselineKernels());
  return kBest;
}

}  // namespace cooper::torch_model::packed_gemm
