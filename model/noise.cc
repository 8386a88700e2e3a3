#include "model/noise.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace cooper::model {
namespace {

// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011).
void Philox4x32(uint64_t key, uint64_t counter, uint32_t out[4]) {
  uint32_t key0 = static_cast<uint32_t>(key);
  uint32_t key1 = static_cast<uint32_t>(key >> 32);
  uint32_t c[4] = {static_cast<uint32_t>(counter),
                   static_cast<uint32_t>(counter >> 32), 0, 0};
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * c[2];
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ key0;
    const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ key1;
    c[1] = static_cast<uint32_t>(p1);
    c[3] = static_cast<uint32_t>(p0);
    c[0] = n0;
    c[2] = n2;
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  for (int i = 0; i < 4; ++i) out[i] = c[i];
}

}  // namespace

uint32_t SeededNoise::NextWord() {
  if (words_left_ == 0) {
    Philox4x32(seed_, counter_++, words_);
    words_left_ = 4;
  }
  return words_[4 - words_left_--];
}

double SeededNoise::Uniform() {
  const uint64_t high = NextWord() >> 5;
  const uint64_t low = NextWord() >> 6;
  return static_cast<double>((high << 26) | low) * 0x1p-53;
}

void SeededNoise::FillNormal(absl::Span<float> out) {
  for (size_t i = 0; i < out.size(); i += 2) {
    const double radius = std::sqrt(-2.0 * std::log1p(-Uniform()));
    const double angle = 2.0 * std::numbers::pi * Uniform();
    out[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < out.size()) {
      out[i + 1] = static_cast<float>(radius * std::sin(angle));
    }
  }
}

void ReplayedNoise::FillNormal(absl::Span<float> out) {
  if (next_ + out.size() > given_.size()) {
    const size_t had = given_.size();
    given_.resize(next_ + out.size());
    source_->FillNormal(absl::MakeSpan(given_).subspan(had));
  }
  std::copy_n(given_.begin() + static_cast<std::ptrdiff_t>(next_), out.size(),
              out.begin());
  next_ += out.size();
}

}  // namespace cooper::model
