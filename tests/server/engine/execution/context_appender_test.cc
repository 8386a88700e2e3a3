#include "server/engine/execution/context_appender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "model/fake/fake_model.h"
#include "server/engine/memory/kv_ledger.h"
#include "server/engine/memory/prefix_key.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::_;
using ::testing::ElementsAre;
using Contexts = ContextAppender::Contexts;
using Items = std::vector<model::PrefillItem>;

// Texts as their bytes. Counts what it is asked for.
class CountingSource final : public SegmentSource {
 public:
  model::Segment Make(const PromptSegment& part) override {
    ++made;
    const std::string& text = std::get<TextPart>(part).text;
    return model::TextSegment{{text.begin(), text.end()}};
  }
  std::optional<base::Digest> KeyAfter(
      const base::Digest& before, const PromptSegment& part,
      const model::Segment& segment) const override {
    ++keys;
    if (std::get<TextPart>(part).origin == TextOrigin::kModel) {
      return std::nullopt;
    }
    return TextPrefix(before, std::get<model::TextSegment>(segment).ids);
  }
  int made = 0;
  mutable int keys = 0;
};

PrefillOp Text(Branch branch, std::string text,
               TextOrigin origin = TextOrigin::kUser) {
  return {branch, TextPart{std::move(text), origin}};
}

class ContextAppenderTest : public ::testing::Test {
 protected:
  // kCond and kNoImage begin empty.
  Contexts Empty() {
    Contexts contexts;
    contexts[0] = model_.NewContext();
    contexts[2] = model_.NewContext();
    return contexts;
  }
  ContextAppender MakeAppender(bool cached = true) {
    return {&model_.info(), &source_, cached ? &prefixes_ : nullptr};
  }
  static std::string TextOf(const Items& items) {
    std::string text;
    for (const model::PrefillItem& item : items) {
      for (const model::TokenId id :
           std::get<model::TextSegment>(*item.segment).ids) {
        text += static_cast<char>(id);
      }
    }
    return text;
  }
  // Takes what goes in one call, and has the model do it.
  Items Call(ContextAppender& appender, int64_t max_rows = 1000) {
    Items items;
    appender.Take(max_rows, &items);
    EXPECT_OK(model_.Prefill(absl::MakeSpan(items)));
    EXPECT_OK(appender.OnPrefilled(items));
    prefixes_.EndBatch();
    return items;
  }

  fake::FakeModel model_{SmallScript()};
  KvLedger ledger_{1000, 1};
  PrefixCache prefixes_{&ledger_, 500};
  CountingSource source_;
};

TEST_F(ContextAppenderTest, APrefixKeyIsComputedOnce) {
  ContextAppender appender = MakeAppender();
  appender.Begin(
      {Text(Branch::kCond, "system"), Text(Branch::kCond, "question")}, Empty(),
      std::nullopt);
  EXPECT_EQ(source_.made, 2);
  EXPECT_EQ(source_.keys, 2);
  for (int batch = 0; batch < 10; ++batch) EXPECT_EQ(appender.rows(), 6);
  EXPECT_EQ(Call(appender).size(), 1u);
  EXPECT_FALSE(appender.Advance());
  EXPECT_EQ(appender.rows(), 8);
  EXPECT_EQ(Call(appender).size(), 1u);
  EXPECT_TRUE(appender.Advance());
  EXPECT_EQ(source_.keys, 2);
  EXPECT_EQ(appender.TakeContexts()[0]->cache_length(), 14);
}

TEST_F(ContextAppenderTest, EncodesForSlotsThatHoldTheSameOnce) {
  ContextAppender appender = MakeAppender(/*cached=*/false);
  appender.Begin({Text(Branch::kCond, "same"), Text(Branch::kNoImage, "same"),
                  Text(Branch::kCond, "other")},
                 Empty(), std::nullopt);
  EXPECT_EQ(source_.keys, 0);
  while (!appender.Advance()) Call(appender);
  const Contexts contexts = appender.TakeContexts();
  EXPECT_EQ(contexts[0]->cache_length(), 9);
  EXPECT_EQ(contexts[2]->cache_length(), 4);
  EXPECT_EQ(model_.prefilled_tokens(), 9);
}

TEST_F(ContextAppenderTest, FindsWhatAnotherRequestEncoded) {
  ContextAppender first = MakeAppender();
  first.Begin(
      {Text(Branch::kCond, "system"), Text(Branch::kCond, "a question")},
      Empty(), std::nullopt);
  while (!first.Advance()) Call(first);
  EXPECT_EQ(first.cached_rows(), 0);

  ContextAppender second = MakeAppender();
  second.Begin({Text(Branch::kCond, "system"), Text(Branch::kCond, "another")},
               Empty(), std::nullopt);
  EXPECT_FALSE(second.Advance());
  EXPECT_EQ(second.rows(), 7);
  Call(second);
  EXPECT_TRUE(second.Advance());
  EXPECT_EQ(second.input_rows(), 13);
  EXPECT_EQ(second.cached_rows(), 6);
  EXPECT_EQ(second.TakeContexts()[0]->cache_length(), 13);
}

TEST_F(ContextAppenderTest, WaitsForARequestThatEncodesTheSame) {
  ContextAppender first = MakeAppender();
  ContextAppender second = MakeAppender();
  for (ContextAppender* appender : {&first, &second}) {
    appender->Begin({Text(Branch::kCond, "system")}, Empty(), std::nullopt);
    EXPECT_FALSE(appender->Advance());
  }
  Items items;
  EXPECT_EQ(first.Take(1000, &items), 6);
  Items none;
  EXPECT_EQ(second.Take(1000, &none), 0);
  EXPECT_OK(second.OnPrefilled(none));
  EXPECT_OK(model_.Prefill(absl::MakeSpan(items)));
  EXPECT_OK(first.OnPrefilled(items));
  prefixes_.EndBatch();
  EXPECT_TRUE(first.Advance());
  EXPECT_TRUE(second.Advance());
  EXPECT_EQ(model_.prefilled_tokens(), 6);
}

TEST_F(ContextAppenderTest, ModelOutputAndWhatFollowsItIsNotShared) {
  ContextAppender appender = MakeAppender();
  appender.Begin(
      {Text(Branch::kCond, "q"), Text(Branch::kCond, "w", TextOrigin::kModel),
       Text(Branch::kCond, "r", TextOrigin::kFixed)},
      Empty(), std::nullopt);
  EXPECT_EQ(Call(appender).size(), 1u);  // a kept border ends the call
  EXPECT_EQ(appender.rows(), 2);
  EXPECT_EQ(Call(appender).size(), 2u);
  EXPECT_TRUE(appender.Advance());
  EXPECT_EQ(prefixes_.entries(), 1);
  EXPECT_EQ(appender.input_rows(), 2);
}

TEST_F(ContextAppenderTest, GoesOnFromTheTextThatWasDecoded) {
  Contexts contexts = Empty();
  ScratchText scratch;
  scratch.parent = contexts[0]->lineage();
  scratch.context = contexts[0]->Fork();
  const model::Segment decoded = model::TextSegment{{'s', 'o'}};
  Items items = {{scratch.context.get(), &decoded, {}}};
  ASSERT_OK(model_.Prefill(absl::MakeSpan(items)));
  scratch.ids = {'s', 'o'};

  ContextAppender appender = MakeAppender();
  appender.Begin({Text(Branch::kCond, "so!", TextOrigin::kModel)},
                 std::move(contexts), std::move(scratch));
  EXPECT_EQ(appender.rows(), 1);
  Call(appender);
  EXPECT_TRUE(appender.Advance());
  EXPECT_EQ(appender.TakeContexts()[0]->cache_length(), 3);
}

TEST_F(ContextAppenderTest, TakesNoMoreThanGrantedButAlwaysOnePiece) {
  ContextAppender appender = MakeAppender(/*cached=*/false);
  appender.Begin({Text(Branch::kCond, "long text"), Text(Branch::kCond, "b"),
                  Text(Branch::kCond, "c"), Text(Branch::kCond, "d")},
                 Empty(), std::nullopt);
  std::vector<size_t> items;
  while (!appender.Advance()) items.push_back(Call(appender, 2).size());
  EXPECT_THAT(items, ElementsAre(1, 2, 1));
}

TEST_F(ContextAppenderTest, ALongTextGoesInParts) {
  for (const bool cached : {true, false}) {
    SCOPED_TRACE(cached);
    ContextAppender appender = MakeAppender(cached);
    appender.Begin({Text(Branch::kCond, "ab"),
                    Text(Branch::kCond, cached ? "a long one" : "a long two"),
                    Text(Branch::kCond, "cd")},
                   Empty(), std::nullopt);
    appender.SetMaxPart(4);
    std::vector<std::string> parts;
    std::vector<int64_t> rows;
    while (!appender.Advance()) {
      rows.push_back(appender.rows());
      Items items;
      appender.Take(1000, &items);
      parts.push_back(TextOf(items));
      EXPECT_OK(model_.Prefill(absl::MakeSpan(items)));
      EXPECT_OK(appender.OnPrefilled(items));
      prefixes_.EndBatch();
    }
    if (cached) {
      EXPECT_THAT(parts, ElementsAre("ab", "a lo", "ng o", "ne", "cd"));
      EXPECT_THAT(rows, ElementsAre(2, 4, 4, 2, 2));
      EXPECT_EQ(prefixes_.entries(), 3);
    } else {
      EXPECT_THAT(parts, ElementsAre("aba lo", "ng t", "wo", "cd"));
    }
    EXPECT_EQ(appender.input_rows(), 14);
    EXPECT_EQ(appender.TakeContexts()[0]->cache_length(), 14);
  }
}

TEST_F(ContextAppenderTest, AnotherRequestWaitsForAllPartsOfTheSame) {
  ContextAppender first = MakeAppender();
  ContextAppender second = MakeAppender();
  for (ContextAppender* appender : {&first, &second}) {
    appender->Begin({Text(Branch::kCond, "a long one")}, Empty(), std::nullopt);
    appender->SetMaxPart(4);
  }
  for (int part = 0; part < 3; ++part) {
    EXPECT_FALSE(first.Advance());
    EXPECT_EQ(Call(first).size(), 1u);
    if (part == 2) break;
    EXPECT_FALSE(second.Advance());
    EXPECT_EQ(Call(second).size(), 0u);
  }
  EXPECT_TRUE(first.Advance());
  EXPECT_TRUE(second.Advance());
  EXPECT_EQ(second.cached_rows(), 10);
  EXPECT_EQ(model_.prefilled_tokens(), 10);
}

TEST_F(ContextAppenderTest, AClaimEndsWithTheRequestThatHoldsIt) {
  ContextAppender first = MakeAppender();
  ContextAppender second = MakeAppender();
  for (ContextAppender* appender : {&first, &second}) {
    appender->Begin({Text(Branch::kCond, "a long one")}, Empty(), std::nullopt);
    appender->SetMaxPart(4);
  }
  Call(first);
  EXPECT_EQ(Call(second).size(), 0u);
  first.Reset();
  EXPECT_EQ(Call(second).size(), 1u);
}

TEST_F(ContextAppenderTest, TellsOfAnItemThatFailed) {
  ContextAppender appender = MakeAppender();
  appender.Begin({Text(Branch::kCond, "system")}, Empty(), std::nullopt);
  Items items;
  appender.Take(1000, &items);
  EXPECT_TRUE(appender.in_call());
  items[0].status = absl::ResourceExhaustedError("full");
  EXPECT_THAT(appender.OnPrefilled(items),
              StatusIs(absl::StatusCode::kResourceExhausted, _));
  EXPECT_EQ(prefixes_.entries(), 0);
  items.clear();
  appender.Reset();
  EXPECT_EQ(model_.live_contexts(), 0);
}

}  // namespace
}  // namespace cooper::engine
