#include "model/torch/instruction_set.h"

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

}  // namespace cooper::torch_model
