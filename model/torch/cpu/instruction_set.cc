#include "model/torch/cpu/instruction_set.h"

namespace cooper::torch_model {

#if defined(__x86_64__)

bool RunsAvx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool RunsAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("fma");
}

#else

bool RunsAvx2() { return false; }
bool RunsAvx512() { return false; }

#endif

const char* InstructionSetName() {
  return Widest(RunsAvx512() ? "avx512" : nullptr,
                RunsAvx2() ? "avx2" : nullptr, "baseline");
}

}  // namespace cooper::torch_model
