#include "model/torch/cpu/paged_attention.h"

#include "model/torch/cpu/instruction_set.h"

namespace cooper::torch_model::paged_attention {

// Each defined by one build of paged_attention_kernels.cc.
void AttendBaseline(const Head& head, float* scratch, float* out);
#if defined(__x86_64__)
void AttendAvx2(const Head& head, float* scratch, float* out);
void AttendAvx512(const Head& head, float* scratch, float* out);
#endif

// Scores are written by whole vectors.
int64_t ScratchFloats(int64_t heads, int64_t tokens) {
  constexpr int64_t kWidest = 16;
  return heads * ((tokens + kWidest - 1) / kWidest * kWidest);
}

Function Baseline() { return &AttendBaseline; }

Function Avx2() {
#if defined(__x86_64__)
  if (RunsAvx2()) return &AttendAvx2;
#endif
  return nullptr;
}

Function Avx512() {
#if defined(__x86_64__)
  if (RunsAvx512()) return &AttendAvx512;
#endif
  return nullptr;
}

void Attend(const Head& head, float* scratch, float* out) {
  static const Function kBest = Widest(Avx512(), Avx2(), Baseline());
  kBest(head, scratch, out);
}

}  // namespace cooper::torch_model::paged_attention
