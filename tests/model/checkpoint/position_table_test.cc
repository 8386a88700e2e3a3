#include "model/checkpoint/position_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "model/checkpoint/safetensors.h"
#include "tests/testing/status_matchers.h"

namespace cooper::checkpoint {
namespace {

std::vector<float> All(const PositionTable& table, int64_t side,
                       int64_t width) {
  std::vector<float> values(side * side * width);
  table.Read(0, values.size() * sizeof(float), values.data());
  return values;
}

TEST(PositionTable, IsTheReferencesTableBitByBit) {
  ASSERT_OK_AND_ASSIGN(
      const auto file,
      SafetensorsFile::Open(COOPER_TEST_DATA "/goldens/nano/ema.safetensors"));
  for (const auto& [name, side] : std::vector<std::pair<std::string, int64_t>>{
           {"vit_pos_embed.pos_embed", 12},
           {"latent_pos_embed.pos_embed", 10}}) {
    const StoredTensor* stored = file->Find(name);
    ASSERT_NE(stored, nullptr);
    ASSERT_EQ(stored->shape, (std::vector<int64_t>{side * side, 96}));
    ASSERT_EQ(stored->dtype, DType::kFloat32);
    std::vector<float> expected(side * side * 96);
    ASSERT_OK(file->Read(*stored, expected.data()));
    EXPECT_EQ(All({side, 96}, side, 96), expected) << name;
  }
}

TEST(PositionTable, FirstHalfIsTheColumnSecondTheRow) {
  const PositionTable table(5, 8);
  const int64_t row = 3, column = 2, place = row * 5 + column;
  EXPECT_FLOAT_EQ(table.at(place, 0), std::sin(2.0f));
  EXPECT_FLOAT_EQ(table.at(place, 1), std::sin(0.02f));
  EXPECT_FLOAT_EQ(table.at(place, 2), std::cos(2.0f));
  EXPECT_FLOAT_EQ(table.at(place, 4), std::sin(3.0f));
  EXPECT_FLOAT_EQ(table.at(place, 7), std::cos(0.03f));
}

TEST(PositionTable, AnyPartOfItsBytesCanBeRead) {
  const PositionTable table(3, 8);
  const std::vector<float> whole = All(table, 3, 8);
  const size_t bytes = whole.size() * sizeof(float);
  for (size_t begin = 0; begin < bytes; begin += 13) {
    for (const size_t count : {size_t{0}, size_t{1}, size_t{40}}) {
      const size_t taken = std::min(count, bytes - begin);
      std::string part(taken, '\0');
      table.Read(begin, taken, part.data());
      EXPECT_EQ(std::memcmp(part.data(),
                            reinterpret_cast<const char*>(whole.data()) + begin,
                            taken),
                0)
          << begin << " " << taken;
    }
  }
}

}  // namespace
}  // namespace cooper::checkpoint
