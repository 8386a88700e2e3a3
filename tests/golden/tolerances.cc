#include "tests/golden/tolerances.h"

namespace cooper::golden {

const Tolerances& Float32Tolerances() {
  static constexpr Tolerances kTolerances = {
      .exact_texts = true,
      .pixels = {"pixels", 1e-6},
      .network = {"network", 5e-5},
      .branch = {"branch", 5e-5},
      .guided = {"guided", 2e-4},
      .latents = {"latents", 2e-4},
      .codec = {"codec", 1e-4},
      .decoded = {"decoded", 2e-4},
      .depth = {"depth", 2e-5},
      .levels = {"levels", 2.0},
      // A depth that lies on the border between two entries of the colour table
      // takes either; neighbouring entries differ by up to 3 levels.
      .colours = {"colours", 3.0},
      .share = {"share", 0.005},
      .norms = {"norms", 1e-5},
      .norms_after_map = {"norms_after_map", 5e-5},
      .latents_after_own_map = {"latents_after_own_map", 1e-2},
      .depth_after_own_map = {"depth_after_own_map", 1e-2},
      .norms_after_own_map = {"norms_after_own_map", 1e-2},
      .features_of_own_map = {"features_of_own_map", 1e-2},
      .logit_gap = {"logit_gap", 0.0},
  };
  return kTolerances;
}

// Measured on a CPU with the generic kernels over all 76 cases (4 layers, 96
// wide); "x / y" is the largest difference and the root mean square:
//
//   network 6.8e-2 / 1.3e-2     branch 4.4e-2 / 1.1e-2
//   guided 1.9e-1 / 4.5e-2      latents 1.5e-1 / 3.2e-2
//   codec 8.2e-2 / 1.6e-2       decoded 1.4e-1 / 2.2e-2
//   depth 2.7e-2 / 5.8e-3       levels 18 / 2.3
//   norms 1.0e-2 / 3.2e-3       ... of our own map 1.4e-2 / 3.2e-3
//   features of our own map 4.9e-2 / 1.1e-2
//   lead of another best token 1.4e-2
//
// A limit is 2.5 to 3.6 times as much. Rounding is 2^-9 at most, at every
// product, sum and norm, and largely averages out: with 28 layers of the same
// width the root mean square is 1.2 to 2.2 times that of 4 layers (network
// 2.2e-2, branch 1.8e-2), with 8 layers of 1024 it is the same (1.6e-2,
// 1.1e-2). So the limits hold for other shapes. Guidance amplifies what two
// branches differ by: 4 times for the text, then twice for the image.
//
// It is the root mean square that tells a mistake from rounding: the largest of
// many differences is 4 to 6 times as much, and a mistake often moves all
// values. It limits the angle as well: the cosine is at least 1 - rms^2 / 2 for
// vectors of equal length.
const Tolerances& BFloat16Tolerances() {
  static constexpr Tolerances kTolerances = {
      .exact_texts = false,
      .pixels = {"pixels", 1e-6},  // float32 in either
      .network = {"network", 0.2, 0.035},
      .branch = {"branch", 0.12, 0.03},
      .guided = {"guided", 0.5, 0.12},
      .latents = {"latents", 0.4, 0.09},
      .codec = {"codec", 0.25, 0.04},
      .decoded = {"decoded", 0.4, 0.06},
      .depth = {"depth", 0.08, 0.015},
      .levels = {"levels", 50.0, 6.0},
      .colours = {"colours", 50.0, 6.0},
      .share = {"share"},  // most bytes differ by a level
      .norms = {"norms", 0.03, 0.008},
      .norms_after_map = {"norms_after_map", 0.03, 0.008},
      .latents_after_own_map = {"latents_after_own_map", 0.4, 0.09},
      .depth_after_own_map = {"depth_after_own_map", 0.08, 0.015},
      .norms_after_own_map = {"norms_after_own_map", 0.04, 0.008},
      .features_of_own_map = {"features_of_own_map", 0.15, 0.03},
      .logit_gap = {"logit_gap", 0.05},
  };
  return kTolerances;
}

}  // namespace cooper::golden
