#include "model/noise.h"

#include <gtest/gtest.h>

#include <vector>

namespace cooper::model {
namespace {

std::vector<float> Normals(SeededNoise& noise, int count) {
  std::vector<float> out(count);
  noise.FillNormal(absl::MakeSpan(out));
  return out;
}

TEST(SeededNoiseTest, GoesOnFromAPlaceAsIfEverythingBeforeWasDrawn) {
  for (int before = 0; before < 9; ++before) {
    SeededNoise drawn(5);
    for (int i = 0; i < before; ++i) drawn.Uniform();
    ASSERT_EQ(drawn.place(),
              (NoisePlace{5, 2 * static_cast<uint64_t>(before)}));
    SeededNoise skipped(5);
    skipped.GoTo(drawn.place()->words);
    EXPECT_EQ(skipped.place(), drawn.place());
    EXPECT_EQ(Normals(skipped, 7), Normals(drawn, 7)) << before;
  }
}

TEST(SeededNoiseTest, CanGoBack) {
  SeededNoise noise(5);
  const std::vector<float> first = Normals(noise, 6);
  noise.GoTo(0);
  EXPECT_EQ(Normals(noise, 6), first);
}

}  // namespace
}  // namespace cooper::model
