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

constexpr Branch kCond = Branch::kCond;
constexpr Branch kNoText = Branch::kNoText;
constexpr Branch kNoImage = Branch::kNoImage;

PrefillOp Add(Branch branch, const std::string& text) {
  return {branch, TextPart{text}};
}

// Branches that all exist; `lineages` of cond, no_text and no_image.
ContextBranches Branches(std::array<uint64_t, 3> lineages) {
  ContextBranches branches;
  for (size_t i = 0; i < 3; ++i) {
    branches.exists[i] = true;
    branches.lineage[i] = lineages[i];
  }
  return branches;
}

// Runs a plan on strings: what each branch holds in the end, and the number of
// encodings.
struct Result {
  std::map<Branch, std::string> branches;
  int encodings = 0;
  bool tail = false;
};
Result RunPlan(const std::vector<ContextOp>& ops,
               const ContextBranches& branches,
               const std::map<Branch, std::string>& held,
               std::vector<std::optional<Branch>> starts_with = {},
               std::map<Branch, std::string> texts = {}) {
  starts_with.resize(ops.size());
  const ContextPlan plan = PlanContextOps(ops, branches, starts_with);
  std::vector<std::string> registers(plan.registers);
  for (const auto& [branch, text] : held) {
    registers[static_cast<size_t>(branch)] = text;
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
      text = text.substr(texts.at(static_cast<Branch>(step.to)).size());
    }
    registers[step.to] += text;
    ++result.encodings;
  }
  std::vector<bool> used(plan.registers);
  for (size_t i = 0; i < kBranches; ++i) {
    if (plan.branches[i] < 0) continue;
    EXPECT_FALSE(used[plan.branches[i]]) << "two branches share a register";
    used[plan.branches[i]] = true;
    result.branches[static_cast<Branch>(i)] = registers[plan.branches[i]];
  }
  return result;
}

// The same ops done one by one.
std::map<Branch, std::string> Naive(const std::vector<ContextOp>& ops,
                                    std::map<Branch, std::string> held) {
  for (const ContextOp& op : ops) {
    if (const auto* fork = std::get_if<ForkOp>(&op)) {
      held[fork->to] = held[fork->from];
    } else {
      const auto& append = std::get<PrefillOp>(op);
      held[append.branch] += std::get<TextPart>(append.segment).text;
    }
  }
  held.erase(Branch::kScratch);
  held.erase(Branch::kScratchStart);
  return held;
}

TEST(ContextPlanTest, EncodesOnceWhatTwoEqualContextsGet) {
  const std::vector<ContextOp> ops = {Add(kCond, "S"), Add(kNoImage, "S"),
                                      Add(kCond, "I"), Add(kCond, "Q"),
                                      Add(kNoImage, "Q")};
  Result result = RunPlan(ops, Branches({0, 0, 0}), {});
  EXPECT_EQ(result.encodings, 4);  // S, I, Q after I, Q after S
  EXPECT_EQ(result.branches[kCond], "SIQ");
  EXPECT_EQ(result.branches[kNoImage], "SQ");
  const ContextPlan plan = PlanContextOps(
      ops, Branches({0, 0, 0}), std::vector<std::optional<Branch>>(5));
  EXPECT_THAT(plan.encoded_by, ElementsAre(0, 0, 2, 3, 4));
}

TEST(ContextPlanTest, SharesAWholeRunOfSegments) {
  const std::vector<ContextOp> ops = {Add(kCond, "M"), Add(kCond, "R"),
                                      Add(kNoImage, "M"), Add(kNoImage, "R")};
  Result equal = RunPlan(ops, Branches({7, 1, 7}),
                         {{kCond, "x"}, {kNoText, "y"}, {kNoImage, "x"}});
  EXPECT_EQ(equal.encodings, 2);
  EXPECT_EQ(equal.branches[kNoImage], "xMR");
  Result apart = RunPlan(ops, Branches({7, 1, 8}),
                         {{kCond, "x"}, {kNoText, "y"}, {kNoImage, "z"}});
  EXPECT_EQ(apart.encodings, 4);
  EXPECT_EQ(apart.branches[kNoImage], "zMR");
}

TEST(ContextPlanTest, TakesOverADecodedText) {
  const std::vector<ContextOp> ops = {ForkOp{kCond, kNoText},
                                      Add(kNoText, "th"), Add(kCond, "think."),
                                      Add(kNoImage, "think.")};
  ContextBranches branches = Branches({5, 2, 6});
  branches.exists[3] = true;
  branches.scratch_parent = 5;
  Result result =
      RunPlan(ops, branches,
              {{kCond, "c"},
               {kNoText, "t"},
               {kNoImage, "i"},
               {Branch::kScratch, "cthink"}},
              {std::nullopt, std::nullopt, Branch::kScratch, Branch::kScratch},
              {{Branch::kScratch, "think"}});
  EXPECT_TRUE(result.tail);
  EXPECT_EQ(result.branches[kCond], "cthink.");
  EXPECT_EQ(result.branches[kNoText], "cth");
  EXPECT_EQ(result.branches[kNoImage], "ithink.");
  EXPECT_EQ(result.encodings, 3);
}

TEST(ContextPlanTest, TakesOverTheStartOfADecodedTextBesidesTheWhole) {
  const std::vector<ContextOp> ops = {
      ForkOp{kCond, kNoText}, Add(kNoText, "so."), Add(kCond, "so<tag>."),
      Add(kNoImage, "so<tag>.")};
  ContextBranches branches = Branches({5, 2, 6});
  branches.exists[3] = branches.exists[4] = true;
  branches.scratch_parent = 5;
  const std::map<Branch, std::string> texts = {{Branch::kScratch, "so<tag>"},
                                               {Branch::kScratchStart, "so"}};
  const ContextPlan plan = PlanContextOps(ops, branches,
                                          {std::nullopt, Branch::kScratchStart,
                                           Branch::kScratch, Branch::kScratch});
  int tails = 0;
  for (const ContextStep& step : plan.steps) {
    tails += step.kind == ContextStep::Kind::kPrefillTail ? 1 : 0;
  }
  EXPECT_EQ(tails, 2);  // kNoText and kCond
  Result result = RunPlan(
      ops, branches,
      {{kCond, "c"},
       {kNoText, "t"},
       {kNoImage, "i"},
       {Branch::kScratch, "cso<tag>"},
       {Branch::kScratchStart, "cso"}},
      {std::nullopt, Branch::kScratchStart, Branch::kScratch, Branch::kScratch},
      texts);
  EXPECT_EQ(result.branches[kCond], "cso<tag>.");
  EXPECT_EQ(result.branches[kNoText], "cso.");
  EXPECT_EQ(result.branches[kNoImage], "iso<tag>.");
  EXPECT_EQ(result.encodings, 3);
}

TEST(ContextPlanTest, DoesNotTakeOverATextThatWasDecodedElsewhere) {
  ContextBranches branches = Branches({5, 2, 6});
  branches.exists[3] = true;
  branches.scratch_parent = 4;
  Result result = RunPlan({Add(kCond, "think.")}, branches,
                          {{kCond, "c"}, {Branch::kScratch, "othink"}},
                          {Branch::kScratch}, {{Branch::kScratch, "think"}});
  EXPECT_FALSE(result.tail);
  EXPECT_EQ(result.branches[kCond], "cthink.");
}

TEST(ContextPlanTest, ForksThatOnlyAddressesChangeEncodeNothing) {
  Result result = RunPlan({ForkOp{kCond, kNoText}, ForkOp{kNoImage, kCond},
                           ForkOp{kNoText, kNoImage}},
                          Branches({1, 2, 3}),
                          {{kCond, "a"}, {kNoText, "b"}, {kNoImage, "c"}});
  EXPECT_EQ(result.encodings, 0);
  EXPECT_EQ(result.branches[kCond], "c");
  EXPECT_EQ(result.branches[kNoText], "a");
  EXPECT_EQ(result.branches[kNoImage], "a");
}

TEST(ContextPlanTest, EveryShortProgramEqualsItsOpsDoneOneByOne) {
  // All programs of four ops over two segments and the three branches.
  std::vector<ContextOp> alphabet;
  for (const Branch branch : {kCond, kNoText, kNoImage}) {
    alphabet.emplace_back(Add(branch, "a"));
    alphabet.emplace_back(Add(branch, "b"));
  }
  alphabet.emplace_back(ForkOp{kCond, kNoText});
  alphabet.emplace_back(ForkOp{kCond, kNoImage});
  alphabet.emplace_back(ForkOp{kNoImage, kCond});
  const size_t n = alphabet.size();
  const std::map<Branch, std::string> held = {
      {kCond, "x"}, {kNoText, "y"}, {kNoImage, "x"}};
  for (size_t code = 0; code < n * n * n * n; ++code) {
    std::vector<ContextOp> ops;
    for (size_t rest = code, i = 0; i < 4; ++i, rest /= n) {
      ops.push_back(alphabet[rest % n]);
    }
    Result result = RunPlan(ops, Branches({1, 2, 1}), held);
    ASSERT_EQ(result.branches, Naive(ops, held)) << "program " << code;
  }
}

}  // namespace
}  // namespace cooper::engine
