#ifndef COOPER_MODEL_CUDA_GROUP_NORM_CUH_
#define COOPER_MODEL_CUDA_GROUP_NORM_CUH_

#include "model/cuda/device.cuh"
#include "model/cuda/elementwise.cuh"

// Group norm in three steps: moments of each chunk of the image, moments of the
// whole, and the norm itself. Sums have a fixed order.

namespace cooper::cuda::COOPER_CUDA_TARGET {

inline constexpr int kGroupNormThreads = 256;

// Number of values, their mean, and the sum of squares about it.
struct Moments {
  float count, mean, squares;
};

__device__ __forceinline__ Moments Joined(const Moments& a, const Moments& b) {
  const float count = a.count + b.count;
  if (count == 0.0f) return a;
  const float share = b.count / count;
  const float apart = b.mean - a.mean;
  return {count, a.mean + apart * share,
          a.squares + b.squares + apart * apart * a.count * share};
}

// A thread's part of its channels: sums about the channels' values in the
// chunk's first pixel, so that no digits are lost where the mean is large.
template <typename T>
struct ChannelSums {
  float sum[Vector<T>::kSize];
  float squares[Vector<T>::kSize];
};

// A vector of the image, with what is added to its channels.
template <typename T>
__device__ __forceinline__ Vector<T> LoadBiased(const T* x, const T* bias,
                                                int channel) {
  Vector<T> values = LoadVector(x);
  if (bias == nullptr) return values;
  const Vector<T> add = LoadVector(bias + channel);
  COOPER_UNROLL
  for (int j = 0; j < Vector<T>::kSize; ++j) {
    values.v[j] = FromFloat<T>(ToFloat(values.v[j]) + ToFloat(add.v[j]));
  }
  return values;
}

// Moments of the groups in a chunk of `chunk_pixels`: [chunks, groups] pairs of
// mean and squares. Blocks of kGroupNormThreads, which channels / kSize
// divides. Shared memory: ChannelSums of each thread, Moments of each channel.
template <typename T>
__global__ void ChunkMomentsKernel(const T* x, const T* x_bias, float* partial,
                                   int64_t pixels, int64_t chunk_pixels,
                                   int channels, int groups) {
  COOPER_SHARED(ChannelSums<T>, sums);
  auto* const moments = reinterpret_cast<Moments*>(sums + blockDim.x);
  constexpr int kSize = Vector<T>::kSize;
  const int vectors = channels / kSize;
  const int thread = threadIdx.x;
  const int lanes = blockDim.x / vectors;  // pixels at a time
  const int at = thread % vectors * kSize;
  const int64_t first = int64_t{blockIdx.x} * chunk_pixels;
  const int64_t end =
      first + chunk_pixels < pixels ? first + chunk_pixels : pixels;
  const Vector<T> origin = LoadBiased(x + first * channels + at, x_bias, at);
  ChannelSums<T> own = {};
  for (int64_t pixel = first + thread / vectors; pixel < end; pixel += lanes) {
    const Vector<T> values = LoadBiased(x + pixel * channels + at, x_bias, at);
    COOPER_UNROLL
    for (int j = 0; j < kSize; ++j) {
      const float value = ToFloat(values.v[j]) - ToFloat(origin.v[j]);
      own.sum[j] += value;
      own.squares[j] += value * value;
    }
  }
  sums[thread] = own;
  __syncthreads();
  const auto count = static_cast<float>(end - first);
  for (int channel = thread; channel < channels; channel += blockDim.x) {
    float sum = 0.0f;
    float squares = 0.0f;
    for (int lane = 0; lane < lanes; ++lane) {
      const ChannelSums<T>& part = sums[lane * vectors + channel / kSize];
      sum += part.sum[channel % kSize];
      squares += part.squares[channel % kSize];
    }
    const int vector_at = channel / kSize * kSize;
    const Vector<T> start =
        LoadBiased(x + first * channels + vector_at, x_bias, vector_at);
    moments[channel] = {count, ToFloat(start.v[channel % kSize]) + sum / count,
                        squares - sum * sum / count};
  }
  __syncthreads();
  const int size = channels / groups;
  for (int group = thread; group < groups; group += blockDim.x) {
    Moments all = moments[group * size];
    for (int i = 1; i < size; ++i) all = Joined(all, moments[group * size + i]);
    float* const out = partial + (int64_t{blockIdx.x} * groups + group) * 2;
    out[0] = all.mean;
    out[1] = all.squares;
  }
}

// Mean and 1 / deviation of each group, behind the chunks' moments. Blocks of
// one warp, one for each group.
template <typename T>
__global__ void JoinMomentsKernel(float* partial, int64_t chunks,
                                  int64_t pixels, int64_t chunk_pixels,
                                  int channels, int groups, float eps) {
  const int group = blockIdx.x;
  const auto size = static_cast<float>(channels / groups);
  Moments all = {0.0f, 0.0f, 0.0f};
  for (int64_t chunk = threadIdx.x; chunk < chunks; chunk += kWarp) {
    const int64_t first = chunk * chunk_pixels;
    const int64_t count =
        first + chunk_pixels < pixels ? chunk_pixels : pixels - first;
    const float* const part = partial + (chunk * groups + group) * 2;
    all = Joined(all, {static_cast<float>(count) * size, part[0], part[1]});
  }
  COOPER_UNROLL
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const Moments other = {__shfl_xor_sync(kAllLanes, all.count, mask),
                           __shfl_xor_sync(kAllLanes, all.mean, mask),
                           __shfl_xor_sync(kAllLanes, all.squares, mask)};
    all = Joined(all, other);
  }
  if (threadIdx.x != 0) return;
  float* const out = partial + (chunks * groups + group) * 2;
  out[0] = all.mean;
  out[1] = rsqrtf(all.squares / all.count + eps);
}

// A thread for each vector of the image. `moments` are those of the groups.
template <typename T>
__global__ void ApplyGroupNormKernel(const T* x, const T* x_bias,
                                     const T* weight, const T* bias,
                                     const float* moments, T* out,
                                     int64_t pixels, int channels, int groups,
                                     bool silu) {
  constexpr int kSize = Vector<T>::kSize;
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i * kSize >= pixels * channels) return;
  const int at = static_cast<int>(i * kSize % channels);
  const int size = channels / groups;
  const Vector<T> values = LoadBiased(x + i * kSize, x_bias, at);
  const Vector<T> weights = LoadVector(weight + at);
  const Vector<T> biases = LoadVector(bias + at);
  Vector<T> result;
  COOPER_UNROLL
  for (int j = 0; j < kSize; ++j) {
    const float* const group = moments + (at + j) / size * 2;
    const float value =
        (ToFloat(values.v[j]) - group[0]) * group[1] * ToFloat(weights.v[j]) +
        ToFloat(biases.v[j]);
    result.v[j] = FromFloat<T>(silu ? Silu(Rounded<T>(value)) : value);
  }
  StoreVector(out + i * kSize, result);
}

// See AddBiasArgs. A thread for each vector of the image.
template <typename T>
__global__ void AddBiasKernel(const T* x, const T* bias, const T* residual,
                              T* out, int64_t pixels, int channels) {
  constexpr int kSize = Vector<T>::kSize;
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i * kSize >= pixels * channels) return;
  const int at = static_cast<int>(i * kSize % channels);
  Vector<T> values = LoadBiased(x + i * kSize, bias, at);
  if (residual != nullptr) {
    const Vector<T> add = LoadVector(residual + i * kSize);
    COOPER_UNROLL
    for (int j = 0; j < kSize; ++j) {
      values.v[j] = FromFloat<T>(ToFloat(values.v[j]) + ToFloat(add.v[j]));
    }
  }
  StoreVector(out + i * kSize, values);
}

}  // namespace cooper::cuda::COOPER_CUDA_TARGET

#endif  // COOPER_MODEL_CUDA_GROUP_NORM_CUH_
