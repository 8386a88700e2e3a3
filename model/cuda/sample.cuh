#ifndef COOPER_MODEL_CUDA_SAMPLE_CUH_
#define COOPER_MODEL_CUDA_SAMPLE_CUH_

#include "model/cuda/device.cuh"
#include "model/cuda/kernels.h"

// The next token of each row of logits, as SampleArgs says.
//
// Weights are integers, in units of 2^-40 of the largest, so that sums do not
// depend on their order. "Order" below is that of falling weight, and of rising
// token where weights are equal. A token of a given place in it is found digit
// by digit of its weight, from the mass of the weights that begin alike.

namespace cooper::cuda::COOPER_CUDA_TARGET {

using Weight = unsigned long long;

inline constexpr int kSampleThreads = 1024;
inline constexpr int kSampleWarps = kSampleThreads / kWarp;
inline constexpr int kWeightBits =
    40;  // of the largest weight, which has one more
inline constexpr int kDigitBits = 11;
inline constexpr int kDigits = 4;  // 44 bits
inline constexpr int kBins = 1 << kDigitBits;

struct SampleShared {
  Weight bins[kBins];
  Weight sums[kSampleWarps];
  float largest[kSampleWarps];
  int tokens[kSampleWarps];
  bool finite[kSampleWarps];
  // What one warp found, for all.
  int bin;
  Weight before;
  int token;
};

// The part of the vocabulary that a warp takes where the order of tokens
// matters.
struct TokenRange {
  int begin, end;
};
__device__ __forceinline__ TokenRange RangeOfWarp(int vocabulary) {
  const int each = (vocabulary + kSampleWarps - 1) / kSampleWarps;
  const int warp = threadIdx.x / kWarp;
  const int begin = warp * each < vocabulary ? warp * each : vocabulary;
  const int end = begin + each < vocabulary ? begin + each : vocabulary;
  return {begin, end};
}

__device__ __forceinline__ Weight WarpSum(Weight x) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    x += __shfl_xor_sync(kAllLanes, x, mask);
  }
  return x;
}

// The sum over the lanes up to this one.
__device__ __forceinline__ Weight WarpPrefix(Weight x) {
  const int lane = threadIdx.x % kWarp;
  for (int step = 1; step < kWarp; step *= 2) {
    const Weight other = __shfl_up_sync(kAllLanes, x, step);
    if (lane >= step) x += other;
  }
  return x;
}

// The largest logit, its first token, and whether all logits are finite.
struct Best {
  float largest;
  int token;
  bool finite;
};
__device__ __forceinline__ Best BetterOf(const Best& a, const Best& b) {
  const bool first =
      a.largest > b.largest || (a.largest == b.largest && a.token < b.token);
  return {first ? a.largest : b.largest, first ? a.token : b.token,
          a.finite && b.finite};
}

__device__ __forceinline__ Best BestOf(const float* logits, int vocabulary,
                                       SampleShared* shared) {
  Best best = {-INFINITY, vocabulary, true};
  for (int i = threadIdx.x; i < vocabulary; i += kSampleThreads) {
    const float logit = logits[i];
    best = BetterOf(best, {logit, i, fabsf(logit) <= FLT_MAX});
  }
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const Best other = {
        __shfl_xor_sync(kAllLanes, best.largest, mask),
        __shfl_xor_sync(kAllLanes, best.token, mask),
        __shfl_xor_sync(kAllLanes, static_cast<int>(best.finite), mask) != 0};
    best = BetterOf(best, other);
  }
  const int warp = threadIdx.x / kWarp;
  if (threadIdx.x % kWarp == 0) {
    shared->largest[warp] = best.largest;
    shared->tokens[warp] = best.token;
    shared->finite[warp] = best.finite;
  }
  __syncthreads();
  for (int i = 0; i < kSampleWarps; ++i) {
    best = BetterOf(best,
                    {shared->largest[i], shared->tokens[i], shared->finite[i]});
  }
  return best;
}

// Fills in the weights; returns their sum.
__device__ __forceinline__ Weight Weigh(const float* logits, int vocabulary,
                                        float largest, double temperature,
                                        Weight* weights, SampleShared* shared) {
  constexpr double kUnit = static_cast<double>(Weight{1} << kWeightBits);
  Weight sum = 0;
  for (int i = threadIdx.x; i < vocabulary; i += kSampleThreads) {
    const double share =
        exp((static_cast<double>(logits[i]) - largest) / temperature);
    weights[i] = static_cast<Weight>(share * kUnit);
    sum += weights[i];
  }
  sum = WarpSum(sum);
  if (threadIdx.x % kWarp == 0) shared->sums[threadIdx.x / kWarp] = sum;
  __syncthreads();
  Weight all = 0;
  for (int i = 0; i < kSampleWarps; ++i) all += shared->sums[i];
  __syncthreads();
  return all;
}

// Where the sum of the lanes' values, after `before`, first exceeds `target`:
// the first such lane, and the sum before it. Lanes that hold `count` values
// each give their sum. Returns kWarp where it does not.
__device__ __forceinline__ int LanePast(Weight value, Weight target,
                                        Weight* before) {
  const Weight upto = WarpPrefix(value);
  int lane = threadIdx.x % kWarp;
  int found = *before + upto > target ? lane : kWarp;
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const int other = __shfl_xor_sync(kAllLanes, found, mask);
    found = other < found ? other : found;
  }
  const int last = found < kWarp ? found : kWarp - 1;
  const Weight sum = __shfl_sync(kAllLanes, upto, last);
  const Weight own = __shfl_sync(kAllLanes, value, last);
  *before += found < kWarp ? sum - own : sum;
  return found;
}

// The weight of a token, the sum of all larger weights, and which of the tokens
// of that weight it is.
struct Place {
  Weight weight;
  Weight before;
  Weight rank;
};

// Adds each weight whose digits above `shift` are those of `found` to the bin
// of its digit. A thread holds back what goes to one bin, since most weights of
// a text's logits, or all where they are flat, go to the same.
__device__ __forceinline__ void AddToBins(const Weight* weights, int vocabulary,
                                          Weight found, int shift,
                                          Weight* bins) {
  int held = 0;
  Weight sum = 0;
  for (int i = threadIdx.x; i < vocabulary; i += kSampleThreads) {
    const Weight weight = weights[i];
    if ((weight >> shift >> kDigitBits) != (found >> shift >> kDigitBits)) {
      continue;
    }
    const int bin = static_cast<int>((weight >> shift) % kBins);
    if (bin != held) {
      if (sum != 0) atomicAdd(&bins[held], sum);
      held = bin;
      sum = 0;
    }
    sum += weight;
  }
  if (sum != 0) atomicAdd(&bins[held], sum);
}

// The first place in the order at which the sum of the weights exceeds
// `target`, which is less than the sum of all.
__device__ __forceinline__ Place PlacePast(const Weight* weights,
                                           int vocabulary, Weight target,
                                           SampleShared* shared) {
  Place place = {0, 0, 0};
  for (int digit = kDigits - 1; digit >= 0; --digit) {
    const int shift = digit * kDigitBits;
    for (int i = threadIdx.x; i < kBins; i += kSampleThreads) {
      shared->bins[i] = 0;
    }
    __syncthreads();
    AddToBins(weights, vocabulary, place.weight, shift, shared->bins);
    __syncthreads();
    // One warp goes through the bins from the highest on, 64 a lane.
    if (threadIdx.x < kWarp) {
      constexpr int kEach = kBins / kWarp;
      const int first = kBins - 1 - static_cast<int>(threadIdx.x) * kEach;
      Weight sum = 0;
      for (int i = 0; i < kEach; ++i) sum += shared->bins[first - i];
      Weight before = place.before;
      const int lane = LanePast(sum, target, &before);
      if (static_cast<int>(threadIdx.x) == lane) {
        int bin = first;
        while (before + shared->bins[bin] <= target) {
          before += shared->bins[bin--];
        }
        shared->bin = bin;
        shared->before = before;
      }
    }
    __syncthreads();
    place.weight |= static_cast<Weight>(shared->bin) << shift;
    place.before = shared->before;
    __syncthreads();
  }
  place.rank = (target - place.before) / place.weight;
  return place;
}

// The token past which the sum of what tokens `count`, by rising token, first
// exceeds `target`. `count` is a function of a token.
template <typename Count>
__device__ __forceinline__ int TokenPast(int vocabulary, Weight target,
                                         const Count& count,
                                         SampleShared* shared) {
  const TokenRange range = RangeOfWarp(vocabulary);
  const int lane = threadIdx.x % kWarp;
  const int warp = threadIdx.x / kWarp;
  Weight sum = 0;
  for (int i = range.begin + lane; i < range.end; i += kWarp) sum += count(i);
  sum = WarpSum(sum);
  if (lane == 0) shared->sums[warp] = sum;
  __syncthreads();
  Weight before = 0;
  int chosen = 0;
  while (chosen < kSampleWarps - 1 && before + shared->sums[chosen] <= target) {
    before += shared->sums[chosen++];
  }
  if (warp == chosen) {
    for (int i = range.begin; i < range.end; i += kWarp) {
      const int token = i + lane;
      const int found =
          LanePast(token < range.end ? count(token) : 0, target, &before);
      if (found < kWarp) {
        if (lane == 0) shared->token = i + found;
        break;
      }
    }
  }
  __syncthreads();
  return shared->token;
}

__device__ __forceinline__ int Sampled(const SampleRow& row,
                                       const Weight* weights, int vocabulary,
                                       Weight total, SampleShared* shared) {
  const auto part = [](double share, Weight of) {
    const auto result = static_cast<Weight>(share * static_cast<double>(of));
    return result < of ? result : of - 1;
  };
  if (row.top_p >= 1.0) {
    return TokenPast(
        vocabulary, part(row.uniform, total),
        [&](int token) { return weights[token]; }, shared);
  }
  const Place end =
      PlacePast(weights, vocabulary, part(row.top_p, total), shared);
  const Weight mass = end.before + (end.rank + 1) * end.weight;
  const Place place =
      PlacePast(weights, vocabulary, part(row.uniform, mass), shared);
  return TokenPast(
      vocabulary, place.rank,
      [&](int token) { return Weight{weights[token] == place.weight}; },
      shared);
}

// A block for each row.
template <typename T>
__global__ void SampleKernel(const T* logits, int64_t stride, int vocabulary,
                             const SampleRow* rows, Weight* weights,
                             int32_t* tokens) {
  COOPER_SHARED(SampleShared, shared);
  const int64_t index = blockIdx.x;
  const T* const own = logits + index * stride;
  const SampleRow row = rows[index];
  const Best best = BestOf(own, vocabulary, shared);
  int token = best.token;
  if (!best.finite) {
    token = SampleArgs::kNotFinite;
  } else if (row.temperature > 0.0) {
    Weight* const scratch = weights + index * vocabulary;
    const Weight total =
        Weigh(own, vocabulary, best.largest, row.temperature, scratch, shared);
    token = Sampled(row, scratch, vocabulary, total, shared);
  }
  if (threadIdx.x == 0) tokens[index] = token;
}

}  // namespace cooper::cuda::COOPER_CUDA_TARGET

#endif  // COOPER_MODEL_CUDA_SAMPLE_CUH_
