#include "server/engine/execution/context_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace cooper::engine {
namespace {

using ::testing::ElementsAre;

constexpr Slot kCond = Slot::kCond;
constexpr Slot kNoText = Slot::kNoText;
constexpr Slot kNoImage = Slot::kNoImage;

PrefillOp Add(Slot slot, const std::string& text) {
  return {slot, TextPart{text}};
}

// Slots that all exist; `lineages` of cond, no_text and no_image.
ContextSlots Slots(std::array<uint64_t, 3> lineages) {
  ContextSlots slots;
  for (size_t i = 0; i < 3; ++i) {
    slots.exists[i] = true;
    slots.lineage[i] = lineages[i];
  }
  return slots;
}

// Runs a plan on strings: what each slot holds in the end, and the number of
// encodings.
struct Result {
  std::map<Slot, std::string> slots;
  int encodings = 0;
  bool tail = false;
};
Result RunPlan(const std::vector<ContextOp>& ops, const ContextSlots& slots,
               const std::map<Slot, std::string>& held,
               std::vector<std::optional<Slot>> starts_with = {},
               std::map<Slot, std::string> texts = {}) {
  starts_with.resize(ops.size());
  const ContextPlan plan = PlanContextOps(ops, slots, starts_with);
  std::vector<std::string> registers(plan.registers);
  for (const auto& [slot, text] : held) {
    registers[static_cast<size_t>(slot)] = text;
  }
  Result result;
  for (const ContextStep& step : plan.steps) {
    if (step.kind == ContextStep::Kind::kFork) {
      registers[step.to] = registers[step.from];
      continue;
    }
    std::string text =
        std::get<TextPart>(std::get<PrefillOp>(ops[step.op]).segment).text;
    if (step.kind == ContextStep::Kind::kPrefillTail) {
      result.tail = true;
      text = text.substr(texts.at(static_cast<Slot>(step.to)).size());
    }
    registers[step.to] += text;
    ++result.encodings;
  }
  std::vector<bool> used(plan.registers);
  for (size_t i = 0; i < kSlots; ++i) {
    if (plan.slots[i] < 0) continue;
    EXPECT_FALSE(used[plan.slots[i]]) << "two slots share a register";
    used[plan.slots[i]] = true;
    result.slots[static_cast<Slot>(i)] = registers[plan.slots[i]];
  }
  return result;
}

// The same ops done one by one.
std::map<Slot, std::string> Naive(const std::vector<ContextOp>& ops,
                                  std::map<Slot, std::string> held) {
  for (const ContextOp& op : ops) {
    if (const auto* fork = std::get_if<ForkOp>(&op)) {
      held[fork->to] = held[fork->from];
    } else {
      const auto& append = std::get<PrefillOp>(op);
      held[append.slot] += std::get<TextPart>(append.segment).text;
    }
  }
  held.erase(Slot::kScratch);
  held.erase(Slot::kScratchStart);
  return held;
}

TEST(ContextPlanTest, EncodesOnceWhatTwoEqualContextsGet) {
  const std::vector<ContextOp> ops = {Add(kCond, "S"), Add(kNoImage, "S"),
                                      Add(kCond, "I"), Add(kCond, "Q"),
                                      Add(kNoImage, "Q")};
  Result result = RunPlan(ops, Slots({0, 0, 0}), {});
  EXPECT_EQ(result.encodings, 4);  // S, I, Q after I, Q after S
  EXPECT_EQ(result.slots[kCond], "SIQ");
  EXPECT_EQ(result.slots[kNoImage], "SQ");
  const ContextPlan plan = PlanContextOps(ops, Slots({0, 0, 0}),
                                          std::vector<std::optional<Slot>>(5));
  EXPECT_THAT(plan.encoded_by, ElementsAre(0, 0, 2, 3, 4));
}

TEST(ContextPlanTest, SharesAWholeRunOfSegments) {
  const std::vector<ContextOp> ops = {Add(kCond, "M"), Add(kCond, "R"),
                                      Add(kNoImage, "M"), Add(kNoImage, "R")};
  Result equal = RunPlan(ops, Slots({7, 1, 7}),
                         {{kCond, "x"}, {kNoText, "y"}, {kNoImage, "x"}});
  EXPECT_EQ(equal.encodings, 2);
  EXPECT_EQ(equal.slots[kNoImage], "xMR");
  Result apart = RunPlan(ops, Slots({7, 1, 8}),
                         {{kCond, "x"}, {kNoText, "y"}, {kNoImage, "z"}});
  EXPECT_EQ(apart.encodings, 4);
  EXPECT_EQ(apart.slots[kNoImage], "zMR");
}

TEST(ContextPlanTest, TakesOverADecodedText) {
  const std::vector<ContextOp> ops = {ForkOp{kCond, kNoText},
                                      Add(kNoText, "th"), Add(kCond, "think."),
                                      Add(kNoImage, "think.")};
  ContextSlots slots = Slots({5, 2, 6});
  slots.exists[3] = true;
  slots.scratch_parent = 5;
  Result result =
      RunPlan(ops, slots,
              {{kCond, "c"},
               {kNoText, "t"},
               {kNoImage, "i"},
               {Slot::kScratch, "cthink"}},
              {std::nullopt, std::nullopt, Slot::kScratch, Slot::kScratch},
              {{Slot::kScratch, "think"}});
  EXPECT_TRUE(result.tail);
  EXPECT_EQ(result.slots[kCond], "cthink.");
  EXPECT_EQ(result.slots[kNoText], "cth");
  EXPECT_EQ(result.slots[kNoImage], "ithink.");
  EXPECT_EQ(result.encodings, 3);
}

TEST(ContextPlanTest, TakesOverTheStartOfADecodedTextBesidesTheWhole) {
  const std::vector<ContextOp> ops = {
      ForkOp{kCond, kNoText}, Add(kNoText, "so."), Add(kCond, "so<tag>."),
      Add(kNoImage, "so<tag>.")};
  ContextSlots slots = Slots({5, 2, 6});
  slots.exists[3] = slots.exists[4] = true;
  slots.scratch_parent = 5;
  const std::map<Slot, std::string> texts = {{Slot::kScratch, "so<tag>"},
                                             {Slot::kScratchStart, "so"}};
  const ContextPlan plan = PlanContextOps(
      ops, slots,
      {std::nullopt, Slot::kScratchStart, Slot::kScratch, Slot::kScratch});
  int tails = 0;
  for (const ContextStep& step : plan.steps) {
    tails += step.kind == ContextStep::Kind::kPrefillTail ? 1 : 0;
  }
  EXPECT_EQ(tails, 2);  // kNoText and kCond
  Result result = RunPlan(
      ops, slots,
      {{kCond, "c"},
       {kNoText, "t"},
       {kNoImage, "i"},
       {Slot::kScratch, "cso<tag>"},
       {Slot::kScratchStart, "cso"}},
      {std::nullopt, Slot::kScratchStart, Slot::kScratch, Slot::kScratch},
      texts);
  EXPECT_EQ(result.slots[kCond], "cso<tag>.");
  EXPECT_EQ(result.slots[kNoText], "cso.");
  EXPECT_EQ(result.slots[kNoImage], "iso<tag>.");
  EXPECT_EQ(result.encodings, 3);
}

TEST(ContextPlanTest, DoesNotTakeOverATextThatWasDecodedElsewhere) {
  ContextSlots slots = Slots({5, 2, 6});
  slots.exists[3] = true;
  slots.scratch_parent = 4;
  Result result = RunPlan({Add(kCond, "think.")}, slots,
                          {{kCond, "c"}, {Slot::kScratch, "othink"}},
                          {Slot::kScratch}, {{Slot::kScratch, "think"}});
  EXPECT_FALSE(result.tail);
  EXPECT_EQ(result.slots[kCond], "cthink.");
}

TEST(ContextPlanTest, ForksThatOnlyAddressesChangeEncodeNothing) {
  Result result = RunPlan({ForkOp{kCond, kNoText}, ForkOp{kNoImage, kCond},
                           ForkOp{kNoText, kNoImage}},
                          Slots({1, 2, 3}),
                          {{kCond, "a"}, {kNoText, "b"}, {kNoImage, "c"}});
  EXPECT_EQ(result.encodings, 0);
  EXPECT_EQ(result.slots[kCond], "c");
  EXPECT_EQ(result.slots[kNoText], "a");
  EXPECT_EQ(result.slots[kNoImage], "a");
}

TEST(ContextPlanTest, EveryShortProgramEqualsItsOpsDoneOneByOne) {
  // All programs of four ops over two segments and the three slots.
  std::vector<ContextOp> alphabet;
  for (const Slot slot : {kCond, kNoText, kNoImage}) {
    alphabet.emplace_back(Add(slot, "a"));
    alphabet.emplace_back(Add(slot, "b"));
  }
  alphabet.emplace_back(ForkOp{kCond, kNoText});
  alphabet.emplace_back(ForkOp{kCond, kNoImage});
  alphabet.emplace_back(ForkOp{kNoImage, kCond});
  const size_t n = alphabet.size();
  const std::map<Slot, std::string> held = {
      {kCond, "x"}, {kNoText, "y"}, {kNoImage, "x"}};
  for (size_t code = 0; code < n * n * n * n; ++code) {
    std::vector<ContextOp> ops;
    for (size_t rest = code, i = 0; i < 4; ++i, rest /= n) {
      ops.push_back(alphabet[rest % n]);
    }
    Result result = RunPlan(ops, Slots({1, 2, 1}), held);
    ASSERT_EQ(result.slots, Naive(ops, held)) << "program " << code;
  }
}

}  // namespace
}  // namespace cooper::engine
