#include "cooper/client/map_joiner.h"

#include "tests/client/events.h"
#include "tests/testing/status_matchers.h"

namespace cooper::client {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::HasSubstr;

v1::MapResult Part(const std::string& data, int64_t offset, int64_t total,
                   v1::MapRole role = v1::MAP_ROLE_VALUES) {
  return MapEvent(0, v1::MAP_KIND_DEPTH, role, v1::MAP_ENCODING_RAW_FLOAT32,
                  data, offset, total)
      .map();
}

TEST(MapJoinerTest, GivesAMapOfOnePartAtOnce) {
  MapJoiner joiner;
  ASSERT_OK_AND_ASSIGN(auto whole, joiner.Add(Part("abcd", 0, 4)));
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->data(), "abcd");
  EXPECT_OK(joiner.CheckComplete());
}

TEST(MapJoinerTest, JoinsPartsAndKeepsTheRegionsOfTheFirst) {
  MapJoiner joiner;
  v1::MapResult first = Part("ab", 0, 5);
  first.add_regions()->set_area(7);
  ASSERT_OK_AND_ASSIGN(auto whole, joiner.Add(first));
  EXPECT_FALSE(whole.has_value());
  ASSERT_OK_AND_ASSIGN(whole, joiner.Add(Part("cd", 2, 5)));
  EXPECT_FALSE(whole.has_value());
  ASSERT_OK_AND_ASSIGN(whole, joiner.Add(Part("e", 4, 5)));
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->data(), "abcde");
  EXPECT_EQ(whole->offset_bytes(), 0);
  EXPECT_EQ(whole->regions_size(), 1);
}

TEST(MapJoinerTest, JoinsRolesSideBySide) {
  MapJoiner joiner;
  ASSERT_OK(joiner.Add(Part("ab", 0, 4)));
  ASSERT_OK(joiner.Add(Part("12", 0, 4, v1::MAP_ROLE_DISPLAY)));
  ASSERT_OK_AND_ASSIGN(auto values, joiner.Add(Part("cd", 2, 4)));
  ASSERT_OK_AND_ASSIGN(auto display,
                       joiner.Add(Part("34", 2, 4, v1::MAP_ROLE_DISPLAY)));
  EXPECT_EQ(values->data(), "abcd");
  EXPECT_EQ(display->data(), "1234");
}

TEST(MapJoinerTest, StartsAnewAfterAWholeMap) {
  MapJoiner joiner(/*max_bytes=*/4);
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(joiner.Add(Part("ab", 0, 4)));
    ASSERT_OK_AND_ASSIGN(auto whole, joiner.Add(Part("cd", 2, 4)));
    EXPECT_EQ(whole->data(), "abcd");
  }
}

TEST(MapJoinerTest, RefusesAGapAndAnOverlap) {
  MapJoiner gap;
  ASSERT_OK(gap.Add(Part("ab", 0, 8)));
  EXPECT_THAT(gap.Add(Part("ef", 4, 8)),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("starts at byte 4 where byte 2")));
  MapJoiner overlap;
  ASSERT_OK(overlap.Add(Part("ab", 0, 8)));
  EXPECT_THAT(overlap.Add(Part("bc", 1, 8)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("byte 1")));
}

TEST(MapJoinerTest, RefusesAFirstPartThatDoesNotStartAtZero) {
  EXPECT_THAT(MapJoiner().Add(Part("ab", 2, 4)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("byte 0")));
}

TEST(MapJoinerTest, RefusesBytesPastTheAnnouncedTotal) {
  v1::MapResult part = Part("abcde", 0, 4);
  EXPECT_THAT(MapJoiner().Add(part), StatusIs(absl::StatusCode::kDataLoss,
                                              HasSubstr("5 bytes came of 4")));
  part.set_total_bytes(-1);
  EXPECT_THAT(MapJoiner().Add(part),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("of -1")));
}

TEST(MapJoinerTest, RefusesAnEmptyPart) {
  EXPECT_THAT(MapJoiner().Add(Part("", 0, 4)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no bytes")));
}

TEST(MapJoinerTest, RefusesPartsThatDisagree) {
  MapJoiner joiner;
  ASSERT_OK(joiner.Add(Part("ab", 0, 4)));
  v1::MapResult other = Part("cd", 2, 4);
  other.set_width(9);
  EXPECT_THAT(joiner.Add(other),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("disagree")));
}

TEST(MapJoinerTest, BoundsTheBytesThatItHolds) {
  MapJoiner joiner(/*max_bytes=*/6);
  EXPECT_THAT(joiner.Add(Part("ab", 0, 7)),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("7")));
  ASSERT_OK(joiner.Add(Part("abcd", 0, 6)));
  EXPECT_THAT(joiner.Add(Part("123", 0, 6, v1::MAP_ROLE_DISPLAY)),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("6")));
}

TEST(MapJoinerTest, TellsAMapThatNeverEnded) {
  MapJoiner joiner;
  ASSERT_OK(joiner.Add(Part("ab", 0, 4)));
  EXPECT_THAT(joiner.CheckComplete(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("2 of 4")));
}

}  // namespace
}  // namespace cooper::client
