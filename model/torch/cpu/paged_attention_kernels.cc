// Built once for each instruction set, as packed_gemm_kernels.cc is;
// COOPER_PAGED_ATTENTION names the function that it defines.

#include "model/torch/cpu/exp_approximation.h"
#include "model/torch/cpu/paged_attention.h"
#include "model/torch/cpu/simd.h"

namespace cooper::torch_model::paged_attention {
namespace {

using simd::Floats;
using simd::Indices;
using simd::kWidth;
using simd::Load;
using simd::Min;
using simd::Save;

// Vectors of an output that are summed up side by side.
constexpr int64_t kOutputs = 8;

// One level of SumLanes: lanes of `a` and of `b` at a distance of kStep are
// added and laid side by side.
template <int64_t kStep>
COOPER_INLINE Floats FoldLanes(Floats a, Floats b) {
  Indices first;
  COOPER_UNROLL
  for (int32_t lane = 0; lane < kWidth; ++lane) {
    const bool of_b = lane / kStep % 2 == 1;
    first[lane] = static_cast<int32_t>(of_b ? lane - kStep + kWidth : lane);
  }
#if defined(__clang__)
  Floats low, high;
  for (int32_t lane = 0; lane < kWidth; ++lane) {
    const int64_t at = first[lane];
    low[lane] = at < kWidth ? a[at] : b[at - kWidth];
    high[lane] = at < kWidth ? a[at + kStep] : b[at + kStep - kWidth];
  }
  return low + high;
#else
  return __builtin_shuffle(a, b, first) +
         __builtin_shuffle(a, b, first + static_cast<int32_t>(kStep));
#endif
}

// Lane i of the result is the sum of the lanes of sums[i].
template <int64_t kStep = 1>
COOPER_INLINE Floats SumLanes(Floats (&sums)[kWidth]) {
  if constexpr (kStep == kWidth) {
    return sums[0];
  } else {
    COOPER_UNROLL
    for (int64_t i = 0; i < kWidth / (2 * kStep); ++i) {
      sums[i] = FoldLanes<kStep>(sums[2 * i], sums[2 * i + 1]);
    }
    return SumLanes<2 * kStep>(sums);
  }
}

// query . key of kWidth tokens whose keys stand `stride` floats apart; those
// past `count` repeat the last.
COOPER_INLINE Floats Dots(const float* query, const float* keys, int64_t stride,
                          int64_t count, int64_t dim) {
  const float* key[kWidth];
  Floats sums[kWidth];
  COOPER_UNROLL
  for (int t = 0; t < kWidth; ++t) {
    key[t] = keys + Min(t, count - 1) * stride;
    sums[t] = Floats{};
  }
  int64_t i = 0;
  for (; i + kWidth <= dim; i += kWidth) {
    const Floats q = Load(query + i);
    COOPER_UNROLL
    for (int t = 0; t < kWidth; ++t) sums[t] += q * Load(key[t] + i);
  }
  Floats dots = SumLanes(sums);
  for (; i < dim; ++i) {
    for (int t = 0; t < kWidth; ++t) dots[t] += query[i] * key[t][i];
  }
  return dots;
}

const float* Page(const Head& head, const float* base, int64_t begin) {
  return base + int64_t{head.pages[begin / head.page_tokens]} *
                    head.page_tokens * head.token_stride;
}

// scores [heads, row]: scaled dot products.
void Scores(const Head& head, int64_t row, float* scores) {
  for (int64_t begin = 0; begin < head.tokens; begin += head.page_tokens) {
    const float* page = Page(head, head.keys, begin);
    const int64_t count = Min(head.page_tokens, head.tokens - begin);
    for (int64_t t = 0; t < count; t += kWidth) {
      for (int64_t h = 0; h < head.heads; ++h) {
        const Floats dots =
            Dots(head.query + h * head.dim, page + t * head.token_stride,
                 head.token_stride, Min(kWidth, count - t), head.dim);
        Save(scores + h * row + begin + t, dots * head.scale);
      }
    }
  }
}

void Softmax(float* row, int64_t tokens) {
  float largest = row[0];
  for (int64_t t = 0; t < tokens; ++t) {
    largest = row[t] > largest ? row[t] : largest;
  }
  float sum = 0.0f;
  for (int64_t t = 0; t < tokens; ++t) {
    row[t] = Exp(row[t] - largest);
    sum += row[t];
  }
  const float inverse = 1.0f / sum;
  for (int64_t t = 0; t < tokens; ++t) row[t] *= inverse;
}

// out[0 .. kVectors * kWidth) += weights times the tokens' values.
template <int64_t kVectors>
COOPER_INLINE void AddValues(const float* weights, const float* values,
                             int64_t stride, int64_t count, float* out) {
  Floats sums[kVectors];
  COOPER_UNROLL
  for (int v = 0; v < kVectors; ++v) sums[v] = Load(out + v * kWidth);
  for (int64_t t = 0; t < count; ++t) {
    const float weight = weights[t];
    COOPER_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      sums[v] += Load(values + t * stride + v * kWidth) * weight;
    }
  }
  COOPER_UNROLL
  for (int v = 0; v < kVectors; ++v) Save(out + v * kWidth, sums[v]);
}

void WeightedValues(const Head& head, int64_t row, const float* weights,
                    float* out) {
  const int64_t dim = head.dim;
  for (int64_t i = 0; i < head.heads * dim; ++i) out[i] = 0.0f;
  for (int64_t begin = 0; begin < head.tokens; begin += head.page_tokens) {
    const float* page = Page(head, head.values, begin);
    const int64_t count = Min(head.page_tokens, head.tokens - begin);
    for (int64_t h = 0; h < head.heads; ++h) {
      const float* of_head = weights + h * row + begin;
      float* sums = out + h * dim;
      int64_t i = 0;
      for (; i + kOutputs * kWidth <= dim; i += kOutputs * kWidth) {
        AddValues<kOutputs>(of_head, page + i, head.token_stride, count,
                            sums + i);
      }
      for (; i + kWidth <= dim; i += kWidth) {
        AddValues<1>(of_head, page + i, head.token_stride, count, sums + i);
      }
      for (; i < dim; ++i) {
        for (int64_t t = 0; t < count; ++t) {
          sums[i] += of_head[t] * page[t * head.token_stride + i];
        }
      }
    }
  }
}

}  // namespace

void COOPER_PAGED_ATTENTION(const Head& head, float* scratch, float* out);
void COOPER_PAGED_ATTENTION(const Head& head, float* scratch, float* out) {
  const int64_t row = ScratchFloats(1, head.tokens);
  Scores(head, row, scratch);
  for (int64_t h = 0; h < head.heads; ++h) {
    Softmax(scratch + h * row, head.tokens);
  }
  WeightedValues(head, row, scratch, out);
}

}  // namespace cooper::torch_model::paged_attention
