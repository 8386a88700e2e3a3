#include "server/engine/execution/text_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "model/fake/fake_codec.h"
#include "model/fake/fake_context.h"
#include "tests/server/engine/execution/execution_fixture.h"

namespace cooper::engine {
namespace {

using ::testing::ElementsAre;
using Ids = std::vector<model::TokenId>;

class TextDecoderTest : public ::testing::Test {
 protected:
  TextDecoderTest() { pool_->capacity_tokens = 1000; }

  void Begin(int max_tokens) {
    DecodeWork work;
    work.max_tokens = max_tokens;
    work.turn = 1;
    decoder_.Begin(work, parent_);
  }
  // The model takes the last token and chooses `next`.
  bool Push(model::TokenId next) {
    static_cast<fake::FakeContext*>(decoder_.context())
        ->Append({decoder_.last()}, 1, decoder_.last());
    return decoder_.Push(next);
  }
  void Write(const std::string& text) {
    for (const char c : text) EXPECT_TRUE(Push(static_cast<uint8_t>(c)));
  }
  Ids IdsOf(const std::string& text) const {
    Ids ids = {codec_.special().bos};
    for (const char c : text) ids.push_back(static_cast<uint8_t>(c));
    return ids;
  }

  std::shared_ptr<fake::FakePool> pool_ = std::make_shared<fake::FakePool>();
  fake::FakeContext parent_{pool_};
  fake::FakeCodec codec_;
  LogObserver observer_;
  TextDecoder decoder_{&codec_, &observer_};
};

TEST_F(TextDecoderTest, EndsAtEos) {
  Begin(10);
  Write("ab");
  EXPECT_FALSE(decoder_.ended());
  EXPECT_FALSE(Push(codec_.special().eos));
  EXPECT_TRUE(decoder_.ended());
  const DecodedText text = decoder_.Finish(/*interrupted=*/false);
  EXPECT_EQ(text.raw, "ab");
  EXPECT_EQ(text.ids, (Ids{'a', 'b'}));
  EXPECT_FALSE(text.hit_limit);
  EXPECT_EQ(observer_.tokens, 2);
  EXPECT_THAT(observer_.lines, ElementsAre("text 1 3:ab"));
}

TEST_F(TextDecoderTest, EndsAtItsLimitWhichCountsBos) {
  Begin(3);
  Write("ab");
  EXPECT_FALSE(Push('c'));
  EXPECT_TRUE(decoder_.ended());
  const DecodedText text = decoder_.Finish(/*interrupted=*/false);
  EXPECT_EQ(text.raw, "ab");
  EXPECT_TRUE(text.hit_limit);
}

TEST_F(TextDecoderTest, EosAtTheLimitIsNoHitOfTheLimit) {
  Begin(2);
  Write("a");
  EXPECT_FALSE(Push(codec_.special().eos));
  EXPECT_FALSE(decoder_.Finish(/*interrupted=*/false).hit_limit);
}

TEST_F(TextDecoderTest, TheScratchHoldsTheTextBehindItsParent) {
  parent_.Append({1, 2, 3}, 3, 5);
  const uint64_t lineage = parent_.lineage();
  Begin(10);
  Write("ab");
  Push(codec_.special().eos);
  decoder_.Finish(/*interrupted=*/false);
  const std::optional<ScratchText> scratch = decoder_.TakeScratch();
  ASSERT_TRUE(scratch.has_value());
  EXPECT_EQ(scratch->parent, lineage);
  EXPECT_EQ(scratch->ids, IdsOf("ab"));
  EXPECT_EQ(scratch->context->cache_length(), 3 + 3);
  EXPECT_FALSE(decoder_.TakeScratch().has_value());
}

TEST_F(TextDecoderTest, ATextThatGoesOnStartsWithTheScratch) {
  Begin(10);
  Write("ab");
  Push(codec_.special().eos);
  std::optional<ScratchText> scratch = decoder_.TakeScratch();
  EXPECT_EQ(scratch->StartOf(IdsOf("abc")), Branch::kScratch);
  EXPECT_EQ(scratch->StartOf(IdsOf("ab")), std::nullopt);
  EXPECT_EQ(scratch->StartOf(IdsOf("axy")), std::nullopt);
}

TEST_F(TextDecoderTest, WithoutItsTagATextStartsWithAMark) {
  Begin(20);
  Write("so<tag>");
  Push(codec_.special().eos);
  std::optional<ScratchText> scratch = decoder_.TakeScratch();
  EXPECT_EQ(scratch->StartOf(IdsOf("so!")), Branch::kScratchStart);
  EXPECT_EQ(scratch->start.tokens, 3u);
  EXPECT_EQ(scratch->start.context->cache_length(), 3);
  // The mark stays: another text starts with it or with none.
  EXPECT_EQ(scratch->StartOf(IdsOf("s!")), std::nullopt);
}

TEST_F(TextDecoderTest, KeepsTheLastFewMarks) {
  Begin(100);
  Write("a<b<c<d<e<f");
  EXPECT_EQ(decoder_.TakeScratch()->marks.size(), 4u);
  EXPECT_EQ(pool_->contexts, 1);
}

}  // namespace
}  // namespace cooper::engine
