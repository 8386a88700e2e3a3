#include "server/engine/memory/kv_demand.h"

#include <gtest/gtest.h>

namespace cooper::engine {
namespace {

constexpr PartTokens kParts{.system = 100,
                            .texts = 20,
                            .images = 50,
                            .map = 30,
                            .reflection = 10,
                            .perception = 8};

TEST(KvDemandTest, TextOnlyHasOneContextAndItsText) {
  EXPECT_EQ(KvDemand(ReasonTask{Mode::kTextOnly, 3}, 9, kParts),
            100 + 50 + 20 + 10);
}

TEST(KvDemandTest, InterleavedGrowsWithEveryTurnOnBothBranches) {
  // Two rounds of text, map and reflection on cond and on no_image; a text on
  // scratch; the last request's text on no_text.
  const int64_t round = 10 + 30 + 10;
  EXPECT_EQ(KvDemand(ReasonTask{Mode::kInterleaved, 3}, 9, kParts),
            170 + 2 * round + 10 + 10 + 20 + 2 * round);
  EXPECT_EQ(KvDemand(ReasonTask{Mode::kInterleaved, 1}, 9, kParts),
            170 + 10 + 20);
}

TEST(KvDemandTest, WithoutAnImageTheBranchesAreOne) {
  PartTokens parts = kParts;
  parts.images = 0;
  EXPECT_EQ(KvDemand(ReasonTask{Mode::kInterleaved, 2}, 9, parts),
            120 + 50 + 10 + 10);
}

TEST(KvDemandTest, PerceptionDrawsTwoMaps) {
  EXPECT_EQ(KvDemand(ReasonTask{Mode::kPerceiveThenAnswer, 3}, 9, kParts),
            170 + 68 + 10 + 20 + 68);
}

TEST(PositionDemandTest, CountsAnImageOnceForEachEncoding) {
  PartTokens parts = kParts;
  parts.open_answer = 3;
  const auto of = [&](const Task& task, int64_t images, bool maps = true,
                      bool converses = false) {
    return PositionsOf(task, parts, images, maps, converses);
  };
  // System text and texts; the least text is bos, a token and eos.
  EXPECT_EQ(of(ReasonTask{Mode::kTextOnly, 3}, 1).least, 120 + 1 + 3);
  EXPECT_EQ(of(ReasonTask{Mode::kTextOnly, 3}, 1).reserved, 0);
  // Behind a text: a map and the reflection.
  EXPECT_EQ(of(ReasonTask{Mode::kInterleaved, 3}, 2).reserved, 11);
  EXPECT_EQ(of(ReasonTask{Mode::kInterleaved, 3}, 2).least, 120 + 2 + 3 + 11);
  EXPECT_EQ(of(ReasonTask{Mode::kInterleaved, 1}, 2).reserved, 0);
  const ReasonTask perceive{Mode::kPerceiveThenAnswer, 3};
  EXPECT_EQ(of(perceive, 2).least, 120 + 2 + 8 + 2 + 3);
  EXPECT_EQ(of(perceive, 0, /*maps=*/false).least, 120 + 3 + 3);
  EXPECT_EQ(of(MapTask{}, 2).least, 120 + 2 + 1);
  EXPECT_EQ(of(GenerateTask{.think = true}, 2).least, 120 + 2 + 3 + 1);
  // A forced answer behind it.
  EXPECT_EQ(of(ReasonTask{Mode::kTextOnly, 3}, 1, true, true).reserved, 6);
}

TEST(KvDemandTest, AConversationKeepsItsTextAndMayBeToldToAnswer) {
  PartTokens parts = kParts;
  parts.open_answer = 3;
  const ReasonTask once{Mode::kInterleaved, 1};
  // The last text and a forced answer, on both branches.
  EXPECT_EQ(ConverseKvDemand(once, 9, parts, /*apart=*/false),
            KvDemand(once, 9, parts) + 13 + 10 + 13);
  // Without an image, only the session's branches can be two.
  parts.system = parts.images = 0;
  EXPECT_EQ(ConverseKvDemand(once, 9, parts, /*apart=*/false), 20 + 10 + 13);
  EXPECT_EQ(ConverseKvDemand(once, 9, parts, /*apart=*/true),
            20 + 10 + 13 + 20 + 10 + 13);
  EXPECT_EQ(ConverseKvDemand(ReasonTask{Mode::kTextOnly, 1}, 9, parts,
                             /*apart=*/true),
            20 + 10 + 13);
}

TEST(KvDemandTest, AMapAloneNeedsItsPromptTwice) {
  PartTokens parts = kParts;
  parts.system = 0;
  EXPECT_EQ(KvDemand(MapTask{}, 4096, parts), 50 + 20 + 20);
}

TEST(KvDemandTest, APlanCountsOnce) {
  EXPECT_EQ(KvDemand(GenerateTask{.think = true}, 9, kParts), 170 + 20 + 10);
  EXPECT_EQ(KvDemand(GenerateTask{.think = false}, 9, kParts), 170 + 20);
}

}  // namespace
}  // namespace cooper::engine
