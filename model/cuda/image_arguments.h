#ifndef COOPER_MODEL_CUDA_IMAGE_ARGUMENTS_H_
#define COOPER_MODEL_CUDA_IMAGE_ARGUMENTS_H_

#include <cstdint>

#include "model/cuda/arguments.h"

// Arguments of the autoencoder's kernels (kernels.h).
namespace cooper::cuda {

// An image whose channels lie together: out = x + bias, then + residual, each
// rounded.
struct AddBiasArgs {
  Type type = Type::kFloat32;
  const void* x = nullptr;         // [pixels, channels]
  const void* bias = nullptr;      // [channels]
  const void* residual = nullptr;  // [pixels, channels], or null
  void* out = nullptr;             // [pixels, channels]; may be x or residual
  int64_t pixels = 0;
  int channels = 0;  // a multiple of kWidthMultiple
};

// Group norm of an image whose channels lie together, then silu if asked for;
// moments in float32, rounded after the norm and after silu.
struct GroupNormArgs {
  Type type = Type::kFloat32;
  const void* x = nullptr;       // [pixels, channels]
  const void* x_bias = nullptr;  // [channels], added to x and rounded; or null
  const void* weight = nullptr;  // [channels]
  const void* bias = nullptr;
  void* out = nullptr;       // [pixels, channels]; may be x
  float* partial = nullptr;  // PartialFloats() floats
  int64_t pixels = 0;
  int channels = 0;  // a power of two, from kWidthMultiple to 1024
  int groups = 0;    // a power of two, at most channels
  bool silu = false;
  float eps = 0.0f;

  // Parts that the image is cut into, at most.
  int64_t chunks() const {
    constexpr int64_t kLeastPixels = 64;
    constexpr int64_t kMostChunks = 512;
    const int64_t parts = (pixels + kLeastPixels - 1) / kLeastPixels;
    return parts < kMostChunks ? parts : kMostChunks;
  }
  int64_t PartialFloats() const { return (chunks() + 1) * groups * 2; }
};

}  // namespace cooper::cuda

#endif  // COOPER_MODEL_CUDA_IMAGE_ARGUMENTS_H_
