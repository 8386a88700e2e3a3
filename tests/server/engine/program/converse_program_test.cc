#include "server/engine/program/converse_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/engine/program/fixed_programs.h"
#include "server/engine/program/reasoning_program.h"

namespace cooper::engine {
namespace {

using ::testing::ElementsAreArray;

constexpr char kDepth[] = "<depth-estimation>d</depth-estimation>";
constexpr char kSegment[] = "<segmentation>s</segmentation>";

enum class Kind { kInterleaved, kTextOnly, kPerceive };
enum class Wish { kNone, kAnswerNow, kNoMoreMaps };

// A turn, told in lines: "c + x" what kCond gets, "n + x" kNoImage, "t = c" a
// fork, "decode N", "map N". `wish` comes right after line `after`; after a
// decode, when all of its text was written and more might come.
struct Case {
  const char* name;
  Kind kind;
  bool resumed;
  Wish wish;
  const char* after;
  std::vector<std::string> texts;  // decoded; "..." at the end: hit its limit
  std::vector<std::string> lines;
  FinishReason reason = FinishReason::kAnswered;
  std::string answer;
};

std::string SlotName(Branch branch) {
  return branch == Branch::kCond ? "c" : branch == Branch::kNoText ? "t" : "n";
}

std::string LineOf(const ContextOp& op) {
  if (const auto* fork = std::get_if<ForkOp>(&op)) {
    return absl::StrCat(SlotName(fork->to), " = ", SlotName(fork->from));
  }
  const auto& append = std::get<PrefillOp>(op);
  std::string what;
  if (const auto* text = std::get_if<TextPart>(&append.segment)) {
    what = text->text;
  } else if (std::holds_alternative<LatentPart>(append.segment)) {
    what = "vae";
  } else {
    const auto& vision = std::get<VisionPart>(append.segment);
    what = vision.source == VisionPart::Source::kMap
               ? absl::StrCat("map ", vision.index)
               : "vit";
  }
  return absl::StrCat(SlotName(append.branch), " + ", what);
}

class Turn {
 public:
  explicit Turn(const Case& c) : case_(c), program_(MakeProgram(c)) {}

  FinishWork Run() {
    while (lines.size() < 100) {
      Work work = program_->Next();
      if (auto* finish = std::get_if<FinishWork>(&work)) {
        EXPECT_EQ(next_text_, case_.texts.size());
        return std::move(*finish);
      }
      if (const auto* context = std::get_if<ContextWork>(&work)) {
        for (const ContextOp& op : context->ops) Add(LineOf(op));
      } else if (const auto* denoise = std::get_if<DenoiseWork>(&work)) {
        Add(absl::StrCat("map ", denoise->map_id));
      } else {
        Decode(std::get<DecodeWork>(work));
      }
    }
    ADD_FAILURE() << "does not end";
    return {};
  }

  std::vector<std::string> lines;

 private:
  static std::unique_ptr<ConverseProgram> MakeProgram(const Case& c) {
    ProgramOptions options;
    options.prompts.interleave_reason_system_prompt = "S";
    options.prompts.image_reason_system_prompt = "S";
    options.prompts.vlm_think_system_prompt = "S";
    options.prompts.reflection_prompt = "R";
    options.prompts.depth_prompt = kDepth;
    options.prompts.segmentation_prompt = kSegment;
    options.max_think_tokens = 50;
    options.map_size = {32, 16};
    options.resumed = c.resumed;
    options.draw_maps = !c.resumed;
    std::vector<ProgramInput> inputs;
    if (!c.resumed) inputs.emplace_back(InputImage{0});
    inputs.emplace_back(TextPart{"Q", TextOrigin::kUser});
    std::unique_ptr<Program> inner;
    switch (c.kind) {
      case Kind::kInterleaved:
        inner = std::make_unique<ReasoningProgram>(inputs, options);
        break;
      case Kind::kTextOnly:
        inner = std::make_unique<TextProgram>(inputs, options);
        break;
      case Kind::kPerceive:
        inner = std::make_unique<PerceiveProgram>(inputs, options);
        break;
    }
    return std::make_unique<ConverseProgram>(std::move(inner), 50,
                                             c.kind != Kind::kTextOnly);
  }

  void Add(const std::string& line) {
    lines.push_back(line);
    if (line != case_.after || wished_) return;
    wished_ = true;
    if (case_.wish == Wish::kAnswerNow) program_->OnAnswerNow();
    if (case_.wish == Wish::kNoMoreMaps) program_->OnNoMoreMaps();
  }

  void Decode(const DecodeWork& work) {
    Add(absl::StrCat("decode ", work.turn,
                     work.channel == TextChannel::kAnswer ? " answer" : ""));
    ASSERT_LT(next_text_, case_.texts.size());
    DecodedText text;
    text.raw = case_.texts[next_text_++];
    if (text.raw.ends_with("...")) {
      text.raw.resize(text.raw.size() - 3);
      text.hit_limit = true;
    }
    text.interrupted = program_->EndsText(text.raw);
    program_->OnText(text);
  }

  const Case& case_;
  std::unique_ptr<ConverseProgram> program_;
  size_t next_text_ = 0;
  bool wished_ = false;
};

const std::vector<std::string> kInputs = {"c + S",   "n + S", "c + vae",
                                          "c + vit", "c + Q", "n + Q"};
std::vector<std::string> AfterInputs(std::vector<std::string> lines) {
  lines.insert(lines.begin(), kInputs.begin(), kInputs.end());
  return lines;
}

std::vector<Case> Cases() {
  const std::string asks = absl::StrCat("t", kDepth);
  return {
      {"TheAnswerStaysInTheContext",
       Kind::kInterleaved,
       false,
       Wish::kNone,
       "",
       {"<answer>a</answer>"},
       AfterInputs(
           {"decode 0", "c + <answer>a</answer>", "n + <answer>a</answer>"}),
       FinishReason::kAnswered,
       "<answer>a</answer>"},
      {"AFurtherQuestionIsAllThatIsAppended",
       Kind::kInterleaved,
       true,
       Wish::kNone,
       "",
       {"<answer>a</answer>"},
       {"c + Q", "n + Q", "decode 0", "c + <answer>a</answer>",
        "n + <answer>a</answer>"},
       FinishReason::kAnswered,
       "<answer>a</answer>"},
      {"ATextWithoutAnAnswerStaysToo",
       Kind::kInterleaved,
       true,
       Wish::kNone,
       "",
       {"I do not know."},
       {"c + Q", "n + Q", "decode 0", "c + I do not know.",
        "n + I do not know."},
       FinishReason::kNoRequest,
       "I do not know."},
      {"AnswerNowEndsTheThought",
       Kind::kInterleaved,
       true,
       Wish::kAnswerNow,
       "decode 0",
       {"<think>so far", "yes</answer>"},
       {"c + Q", "n + Q", "decode 0", "c + <think>so far</think>",
        "n + <think>so far</think>", "c + <answer>", "n + <answer>",
        "decode 1 answer", "c + yes</answer>", "n + yes</answer>"},
       FinishReason::kAnswered,
       "<answer>yes</answer>"},
      {"AnswerNowEndsAThoughtThatSpellsTheTag",
       Kind::kInterleaved,
       true,
       Wish::kAnswerNow,
       "decode 0",
       {"<think>then <answer> so", "yes</answer>"},
       {"c + Q", "n + Q", "decode 0", "c + <think>then <answer> so</think>",
        "n + <think>then <answer> so</think>", "c + <answer>", "n + <answer>",
        "decode 1 answer", "c + yes</answer>", "n + yes</answer>"},
       FinishReason::kAnswered,
       "<answer>yes</answer>"},
      {"AnswerNowLetsAnAnswerEnd",
       Kind::kInterleaved,
       true,
       Wish::kAnswerNow,
       "decode 0",
       {"<think>t</think><answer>a</answer>"},
       {"c + Q", "n + Q", "decode 0", "c + <think>t</think><answer>a</answer>",
        "n + <think>t</think><answer>a</answer>"},
       FinishReason::kAnswered,
       "<think>t</think><answer>a</answer>"},
      {"AnswerNowBeforeAnyTextAsksAtOnce",
       Kind::kInterleaved,
       true,
       Wish::kAnswerNow,
       "n + Q",
       {"yes..."},
       {"c + Q", "n + Q", "c + <answer>", "n + <answer>", "decode 0 answer",
        "c + yes", "n + yes"},
       FinishReason::kMaxTokens,
       "<answer>yes"},
      {"AnswerNowDropsABegunRequest",
       Kind::kInterleaved,
       true,
       Wish::kAnswerNow,
       "decode 0",
       {"<think>t</think> <segmentation>half", "yes</answer>"},
       {"c + Q", "n + Q", "decode 0", "c + <think>t</think> ",
        "n + <think>t</think> ", "c + <answer>", "n + <answer>",
        "decode 1 answer", "c + yes</answer>", "n + yes</answer>"},
       FinishReason::kAnswered,
       "<answer>yes</answer>"},
      {"AnswerNowWhileAMapIsDrawnComesAfterIt",
       Kind::kInterleaved,
       true,
       Wish::kAnswerNow,
       "map 0",
       {asks, "yes</answer>"},
       {"c + Q", "n + Q", "decode 0", "t = c", "t + t",
        absl::StrCat("c + ", asks), absl::StrCat("n + ", asks), "map 0",
        "c + map 0", "c + R", "n + map 0", "n + R", "c + <answer>",
        "n + <answer>", "decode 1 answer", "c + yes</answer>",
        "n + yes</answer>"},
       FinishReason::kAnswered,
       "<answer>yes</answer>"},
      {"NoMoreMapsTakesTheRequestOut",
       Kind::kInterleaved,
       true,
       Wish::kNoMoreMaps,
       "decode 0",
       {asks, "yes</answer>"},
       {"c + Q", "n + Q", "decode 0", "c + t", "n + t", "c + <answer>",
        "n + <answer>", "decode 1 answer", "c + yes</answer>",
        "n + yes</answer>"},
       FinishReason::kAnswered,
       "<answer>yes</answer>"},
      {"NoMoreMapsLeavesAnAnswerAlone",
       Kind::kInterleaved,
       true,
       Wish::kNoMoreMaps,
       "n + Q",
       {"<answer>a</answer>"},
       {"c + Q", "n + Q", "decode 0", "c + <answer>a</answer>",
        "n + <answer>a</answer>"},
       FinishReason::kAnswered,
       "<answer>a</answer>"},
      {"NoMoreMapsAfterAMapEndsWithTheNextRequest",
       Kind::kInterleaved,
       true,
       Wish::kNoMoreMaps,
       "map 0",
       {asks, absl::StrCat("u", kSegment), "yes</answer>"},
       {"c + Q",
        "n + Q",
        "decode 0",
        "t = c",
        "t + t",
        absl::StrCat("c + ", asks),
        absl::StrCat("n + ", asks),
        "map 0",
        "c + map 0",
        "c + R",
        "n + map 0",
        "n + R",
        "decode 1",
        "c + u",
        "n + u",
        "c + <answer>",
        "n + <answer>",
        "decode 2 answer",
        "c + yes</answer>",
        "n + yes</answer>"},
       FinishReason::kAnswered,
       "<answer>yes</answer>"},
      {"TextOnlyHasOneContext",
       Kind::kTextOnly,
       false,
       Wish::kAnswerNow,
       "decode 0",
       {"<think>t", "yes</answer>"},
       {"c + S", "c + vit", "c + Q", "decode 0", "c + <think>t</think>",
        "c + <answer>", "decode 1 answer", "c + yes</answer>"},
       FinishReason::kAnswered,
       "<answer>yes</answer>"},
      {"PerceptionThenAFurtherQuestionDrawsNoMap",
       Kind::kPerceive,
       true,
       Wish::kNone,
       "",
       {"yes</answer>"},
       {"c + Q", "n + Q", "c + <answer>", "decode 0 answer", "c + yes</answer>",
        "n + yes</answer>"},
       FinishReason::kAnswered,
       "<answer>yes</answer>"},
      {"PerceptionWithoutMapsAnswersAtOnce",
       Kind::kPerceive,
       false,
       Wish::kNoMoreMaps,
       "n + Q",
       {"yes</answer>"},
       AfterInputs({"c + <answer>", "n + <answer>", "decode 0 answer",
                    "c + yes</answer>", "n + yes</answer>"}),
       FinishReason::kAnswered,
       "<answer>yes</answer>"},
      {"PerceptionLeavesTheSecondMapOut",
       Kind::kPerceive,
       false,
       Wish::kAnswerNow,
       "map 0",
       {"yes</answer>"},
       AfterInputs({"t = c", absl::StrCat("n + ", kDepth),
                    absl::StrCat("c + ", kDepth), "map 0", "c + map 0",
                    "n + map 0", "c + <answer>", "n + <answer>",
                    "decode 0 answer", "c + yes</answer>", "n + yes</answer>"}),
       FinishReason::kAnswered,
       "<answer>yes</answer>"},
  };
}

TEST(ConverseProgramTest, EveryTurnDoesAsItsTableSays) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.name);
    Turn turn(c);
    const FinishWork finish = turn.Run();
    EXPECT_THAT(turn.lines, ElementsAreArray(c.lines));
    EXPECT_EQ(finish.reason, c.reason);
    EXPECT_EQ(finish.answer, c.answer);
  }
}

TEST(ConverseProgramTest, TheInputsAreAWorkOfTheirOwn) {
  ProgramOptions options;
  options.prompts.image_reason_system_prompt = "S";
  options.prompts.depth_prompt = kDepth;
  ConverseProgram program(
      std::make_unique<PerceiveProgram>(
          std::vector<ProgramInput>{TextPart{"Q", TextOrigin::kUser}}, options),
      50, /*guidance=*/true);
  const Work first = program.Next();
  for (const ContextOp& op : std::get<ContextWork>(first).ops) {
    EXPECT_THAT(LineOf(op), ::testing::Not(::testing::HasSubstr("depth")));
  }
  const Work second = program.Next();
  EXPECT_EQ(LineOf(std::get<ContextWork>(second).ops[0]), "t = c");
}

}  // namespace
}  // namespace cooper::engine
