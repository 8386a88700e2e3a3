#ifndef COOPER_TESTS_GOLDEN_TOLERANCES_H_
#define COOPER_TESTS_GOLDEN_TOLERANCES_H_

#include <limits>

namespace cooper::golden {

// How far a tensor may be from the golden one. Both numbers are shares of the
// golden tensor's root mean square unless a field says otherwise.
struct Limit {
  static constexpr double kNone = std::numeric_limits<double>::infinity();

  const char* name;
  double largest = kNone;  // of the largest difference
  double rms = kNone;      // of the root mean square of the differences
};

// What the network may deviate from the reference, which computes in float32.
struct Tolerances {
  // Whether decoded texts must be those of the reference. If not, every token
  // that the reference decoded is fed instead of our own (teacher forcing), and
  // our best token may be another one where the two best are close.
  bool exact_texts;

  Limit pixels;   // normalised pixels, patches, schedule, timestep features
  Limit network;  // ViT, time embedding, segments, K and V, logits
  Limit branch;   // velocity of one branch
  Limit guided;   // guided velocity
  Limit latents;  // latents under way and in the end
  Limit codec;    // autoencoder: moments, latent, decoded
  Limit decoded;  // our own final latents, decoded
  Limit depth;    // absolute, of [0, 1]
  Limit levels;   // of bytes of images, absolute, of [0, 255]
  Limit colours;  // the same, of coloured depth
  Limit share;    // of bytes that differ
  Limit norms;    // norms of K and V; no map was fed back
  Limit norms_after_map;        // the golden map was fed back
  Limit latents_after_own_map;  // our own map was fed back, which differs
  Limit depth_after_own_map;    // absolute
  Limit norms_after_own_map;
  Limit features_of_own_map;  // what the vision encoder makes of it
  // By how much of the RMS of the logits our best token may be better, by our
  // logits, than the reference's best token.
  Limit logit_gap;
};

// Of model-spec section 7.
const Tolerances& Float32Tolerances();
// Measured; see tolerances.cc.
const Tolerances& BFloat16Tolerances();

}  // namespace cooper::golden

#endif  // COOPER_TESTS_GOLDEN_TOLERANCES_H_
