#ifndef COOPER_MODEL_TORCH_CPU_INSTRUCTION_SET_H_
#define COOPER_MODEL_TORCH_CPU_INSTRUCTION_SET_H_

// Which of the builds of a kernels source this processor runs. Asked by
// feature: GCC's target_clones("arch=...") asks for one maker's chip.

namespace cooper::torch_model {

bool RunsAvx2();    // with FMA
bool RunsAvx512();  // AVX-512F, with FMA

// "avx512", "avx2" or "baseline": of the builds that this processor runs.
const char* InstructionSetName();

// The widest that is not null; `baseline` never is.
template <typename T>
T* Widest(T* avx512, T* avx2, T* baseline) {
  if (avx512 != nullptr) return avx512;
  return avx2 != nullptr ? avx2 : baseline;
}

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_CPU_INSTRUCTION_SET_H_
