#include "model/noise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace cooper::model {
namespace {

std::vector<float> Normals(uint64_t seed, int count) {
  SeededNoise noise(seed);
  std::vector<float> out(count);
  noise.FillNormal(absl::MakeSpan(out));
  return out;
}

TEST(SeededNoiseTest, ASeedAlwaysDrawsTheSame) {
  EXPECT_EQ(Normals(5, 7), Normals(5, 7));
  EXPECT_NE(Normals(5, 7), Normals(6, 7));
  // The key's upper half counts too.
  EXPECT_NE(Normals(5, 7), Normals(5 + (uint64_t{1} << 32), 7));
}

TEST(SeededNoiseTest, DrawsFollowOneAnother) {
  SeededNoise noise(5);
  std::vector<float> parts;
  for (int i = 0; i < 4; ++i) {
    std::vector<float> part(2);
    noise.FillNormal(absl::MakeSpan(part));
    parts.insert(parts.end(), part.begin(), part.end());
  }
  EXPECT_EQ(parts, Normals(5, 8));
}

TEST(SeededNoiseTest, IsNormal) {
  constexpr int kDraws = 100000;
  double sum = 0;
  double squares = 0;
  int beyond_two = 0;
  for (const float value : Normals(1, kDraws)) {
    sum += value;
    squares += double{value} * value;
    if (std::abs(value) > 2.0f) ++beyond_two;
  }
  EXPECT_NEAR(sum / kDraws, 0.0, 0.015);
  EXPECT_NEAR(squares / kDraws, 1.0, 0.02);
  EXPECT_NEAR(static_cast<double>(beyond_two) / kDraws, 0.0455, 0.003);
}

TEST(ReplayedNoiseTest, GivesTheSameNormalsAgainAndThenGoesOn) {
  ReplayedNoise noise(std::make_unique<SeededNoise>(5));
  std::vector<float> first(7);
  noise.FillNormal(absl::MakeSpan(first));
  EXPECT_EQ(first, Normals(5, 7));
  noise.Rewind();
  std::vector<float> again(7);
  noise.FillNormal(absl::MakeSpan(again));
  EXPECT_EQ(again, first);
  // What was not drawn yet comes from the source.
  SeededNoise source(5);
  std::vector<float> wanted(7);
  source.FillNormal(absl::MakeSpan(wanted));
  std::vector<float> next(4);
  source.FillNormal(absl::MakeSpan(next));
  std::vector<float> got(4);
  noise.FillNormal(absl::MakeSpan(got));
  EXPECT_EQ(got, next);
}

}  // namespace
}  // namespace cooper::model
