#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/engine/program/fixed_programs.h"
#include "server/engine/program/reasoning_program.h"

namespace cooper::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

constexpr char kDepth[] = "<depth-estimation>d</depth-estimation>";
constexpr char kSegment[] = "<segmentation>s</segmentation>";
constexpr char kAnswer[] = "<answer> It is \\boxed{A}. </answer>";

const char* Name(Branch branch) {
  return branch == Branch::kCond     ? "cond"
         : branch == Branch::kNoText ? "no_text"
                                     : "no_image";
}

ProgramOptions Options() {
  ProgramOptions options;
  options.prompts.interleave_reason_system_prompt = "SYS";
  options.prompts.image_reason_system_prompt = "SYS";
  options.prompts.vlm_think_system_prompt = "SYS";
  options.prompts.gen_think_system_prompt = "SYS";
  options.prompts.reflection_prompt = "REFLECT";
  options.prompts.depth_prompt = kDepth;
  options.prompts.segmentation_prompt = kSegment;
  options.max_think_tokens = 50;
  options.map_size = {32, 16};
  return options;
}

std::vector<ProgramInput> ImageAndQuestion() {
  return {InputImage{0}, TextPart{"Q", TextOrigin::kUser}};
}

// One line an op, text or map; `texts` are what is decoded, "..." at the end
// of one means that it hit its limit.
struct ProgramRun {
  std::vector<std::string> lines;
  FinishWork finish;
};
ProgramRun RunProgram(Program* program, std::vector<std::string> texts) {
  ProgramRun run;
  size_t next = 0;
  while (run.lines.size() < 1000) {
    Work work = program->Next();
    if (const auto* context = std::get_if<ContextWork>(&work)) {
      for (const ContextOp& op : context->ops) {
        if (const auto* fork = std::get_if<ForkOp>(&op)) {
          run.lines.push_back(
              absl::StrCat(Name(fork->to), " = ", Name(fork->from)));
          continue;
        }
        const auto& append = std::get<PrefillOp>(op);
        std::string what;
        if (const auto* text = std::get_if<TextPart>(&append.segment)) {
          what = absl::StrCat("'", text->text, "'");
        } else if (const auto* latent =
                       std::get_if<LatentPart>(&append.segment)) {
          what = absl::StrCat("vae ", latent->image);
        } else {
          const auto& vision = std::get<VisionPart>(append.segment);
          what = absl::StrCat(
              vision.source == VisionPart::Source::kMap ? "map " : "vit ",
              vision.index);
        }
        run.lines.push_back(absl::StrCat(Name(append.branch), " + ", what));
      }
    } else if (const auto* decode = std::get_if<DecodeWork>(&work)) {
      EXPECT_EQ(decode->from, Branch::kCond);
      run.lines.push_back(absl::StrCat("decode ", decode->turn));
      if (next == texts.size()) {
        ADD_FAILURE() << "more texts were decoded than expected";
        return run;
      }
      DecodedText text;
      text.raw = texts[next++];
      if (text.raw.ends_with("...")) {
        text.raw.resize(text.raw.size() - 3);
        text.hit_limit = true;
      }
      program->OnText(text);
    } else if (const auto* denoise = std::get_if<DenoiseWork>(&work)) {
      EXPECT_EQ(denoise->size, (image::Size{32, 16}));
      run.lines.push_back(absl::StrCat(
          denoise->kind == model::MapKind::kDepth          ? "depth "
          : denoise->kind == model::MapKind::kSegmentation ? "segmentation "
                                                           : "image ",
          denoise->map_id, " '", denoise->request_text, "'"));
    } else {
      run.finish = std::get<FinishWork>(work);
      break;
    }
  }
  EXPECT_EQ(next, texts.size());
  return run;
}

ProgramRun Reason(std::vector<std::string> texts,
                  ProgramOptions options = Options()) {
  ReasoningProgram program(ImageAndQuestion(), std::move(options));
  return RunProgram(&program, std::move(texts));
}

const std::vector<std::string> kStart = {
    "cond + 'SYS'", "no_image + 'SYS'", "cond + vae 0",
    "cond + vit 0", "cond + 'Q'",       "no_image + 'Q'",
};
std::vector<std::string> After(std::vector<std::string> lines) {
  std::vector<std::string> all = kStart;
  all.insert(all.end(), lines.begin(), lines.end());
  return all;
}

TEST(ReasoningProgramTest, AnswersAtOnce) {
  const ProgramRun run =
      Reason({absl::StrCat("<think>t</think>", kAnswer, "\n")});
  EXPECT_THAT(run.lines, ElementsAreArray(After({"decode 0"})));
  EXPECT_EQ(run.finish.reason, FinishReason::kAnswered);
  EXPECT_EQ(run.finish.answer, absl::StrCat("<think>t</think>", kAnswer));
  EXPECT_EQ(run.finish.boxed, "A");
}

TEST(ReasoningProgramTest, DrawsTheDepthMapItAskedForAndLooksAtIt) {
  const std::string text = absl::StrCat("t ", kDepth);
  const ProgramRun run = Reason({text, kAnswer});
  EXPECT_THAT(run.lines, ElementsAreArray(After({
                             "decode 0",
                             "no_text = cond",
                             "no_text + 't '",
                             absl::StrCat("cond + '", text, "'"),
                             absl::StrCat("no_image + '", text, "'"),
                             "depth 0 'd'",
                             "cond + map 0",
                             "cond + 'REFLECT'",
                             "no_image + map 0",
                             "no_image + 'REFLECT'",
                             "decode 1",
                         })));
  EXPECT_EQ(run.finish.reason, FinishReason::kAnswered);
}

TEST(ReasoningProgramTest, NumbersItsMaps) {
  const ProgramRun run = Reason({kDepth, kSegment, kAnswer});
  EXPECT_THAT(run.lines,
              ::testing::IsSupersetOf({"depth 0 'd'", "cond + map 0",
                                       "segmentation 1 's'", "cond + map 1",
                                       "no_image + map 1", "decode 2"}));
}

TEST(ReasoningProgramTest, EndsForTheReasonsOfItsTable) {
  const std::string both = absl::StrCat(kSegment, " ", kDepth);
  const struct {
    const char* name;
    std::vector<std::string> texts;
    FinishReason reason;
    int maps;
    std::string answer;
  } cases[] = {
      {"answer beats request",
       {absl::StrCat(kDepth, kAnswer)},
       FinishReason::kAnswered,
       0,
       absl::StrCat(kDepth, kAnswer)},
      {"answer in the last turn",
       {kDepth, kDepth, kAnswer},
       FinishReason::kAnswered,
       2,
       kAnswer},
      {"the last turn's request is ignored",
       {kDepth, kDepth, kSegment},
       FinishReason::kMaxTurns,
       2,
       kSegment},
      {"neither in the last turn",
       {kDepth, kDepth, "hm"},
       FinishReason::kMaxTurns,
       2,
       "hm"},
      {"neither", {" hm \n"}, FinishReason::kNoRequest, 0, "hm"},
      {"limit with neither", {"hm..."}, FinishReason::kMaxTokens, 0, "hm"},
      {"limit with neither in the last turn",
       {kDepth, kDepth, "hm..."},
       FinishReason::kMaxTokens,
       2,
       "hm"},
      {"limit behind a request",
       {absl::StrCat(kDepth, " more..."), kAnswer},
       FinishReason::kAnswered,
       1,
       kAnswer},
      {"limit behind an answer",
       {absl::StrCat(kAnswer, " more...")},
       FinishReason::kAnswered,
       0,
       absl::StrCat(kAnswer, " more")},
      {"both tags are one map",
       {both, kAnswer},
       FinishReason::kAnswered,
       1,
       kAnswer},
      {"unclosed request",
       {"<depth-estimation> d"},
       FinishReason::kNoRequest,
       0,
       "<depth-estimation> d"},
      {"wrong case",
       {"<Depth-Estimation>d</Depth-Estimation>"},
       FinishReason::kNoRequest,
       0,
       "<Depth-Estimation>d</Depth-Estimation>"},
      {"unclosed answer",
       {absl::StrCat("<answer> x ", kDepth), kAnswer},
       FinishReason::kAnswered,
       1,
       kAnswer},
      {"answer behind the cut",
       {absl::StrCat("a<|im_end|>", kAnswer)},
       FinishReason::kNoRequest,
       0,
       "a"},
      {"empty", {""}, FinishReason::kNoRequest, 0, ""},
  };
  for (const auto& c : cases) {
    const ProgramRun run = Reason(c.texts);
    EXPECT_EQ(run.finish.reason, c.reason) << c.name;
    EXPECT_EQ(run.finish.answer, c.answer) << c.name;
    int maps = 0;
    for (const std::string& line : run.lines) {
      if (line.starts_with("depth") || line.starts_with("segm")) ++maps;
    }
    EXPECT_EQ(maps, c.maps) << c.name;
  }
}

TEST(ReasoningProgramTest, DepthGoesFirstAndTheOtherTagStaysInNoText) {
  const ProgramRun run = Reason({absl::StrCat(kSegment, " ", kDepth), kAnswer});
  EXPECT_THAT(run.lines, ::testing::Contains("depth 0 'd'"));
  EXPECT_THAT(run.lines,
              ::testing::Contains(absl::StrCat("no_text + '", kSegment, " '")));
}

TEST(ReasoningProgramTest, KeepsToItsTurns) {
  ProgramOptions options = Options();
  options.max_turns = 1;
  const ProgramRun run = Reason({kDepth}, options);
  EXPECT_EQ(run.finish.reason, FinishReason::kMaxTurns);
  EXPECT_EQ(run.lines.back(), "decode 0");
}

TEST(ReasoningProgramTest, RepeatsATextWithoutRequestOnTheSameContextIfTold) {
  ProgramOptions options = Options();
  options.repeat_without_request = true;
  const ProgramRun run = Reason({"a", "b...", "c"}, options);
  EXPECT_THAT(run.lines,
              ElementsAreArray(After({"decode 0", "decode 1", "decode 2"})));
  EXPECT_EQ(run.finish.reason, FinishReason::kMaxTurns);
  EXPECT_EQ(run.finish.answer, "c");
}

TEST(TextProgramTest, SeesImagesOnlyAndHasNoGuidanceContexts) {
  TextProgram program(ImageAndQuestion(), Options());
  const ProgramRun run = RunProgram(&program, {" four \\boxed{4} "});
  EXPECT_THAT(run.lines, ElementsAre("cond + 'SYS'", "cond + vit 0",
                                     "cond + 'Q'", "decode 0"));
  EXPECT_EQ(run.finish.reason, FinishReason::kAnswered);
  EXPECT_EQ(run.finish.answer, "four \\boxed{4}");
  EXPECT_EQ(run.finish.boxed, "4");
}

TEST(TextProgramTest, TellsOfItsLimit) {
  TextProgram program(ImageAndQuestion(), Options());
  EXPECT_EQ(RunProgram(&program, {"on and on..."}).finish.reason,
            FinishReason::kMaxTokens);
}

TEST(PerceiveProgramTest, DrawsBothMapsAndContinuesTheAnswer) {
  PerceiveProgram program(ImageAndQuestion(), Options());
  const ProgramRun run = RunProgram(&program, {" \\boxed{B}</answer> "});
  EXPECT_THAT(run.lines, ElementsAreArray(After({
                             "no_text = cond",
                             absl::StrCat("no_image + '", kDepth, "'"),
                             absl::StrCat("cond + '", kDepth, "'"),
                             "depth 0 'd'",
                             "cond + map 0",
                             "no_image + map 0",
                             "no_text = cond",
                             absl::StrCat("no_image + '", kSegment, "'"),
                             absl::StrCat("cond + '", kSegment, "'"),
                             "segmentation 1 's'",
                             "cond + map 1",
                             "no_image + map 1",
                             "cond + '<answer>'",
                             "decode 0",
                         })));
  EXPECT_EQ(run.finish.reason, FinishReason::kAnswered);
  EXPECT_EQ(run.finish.answer, "<answer> \\boxed{B}</answer>");
  EXPECT_EQ(run.finish.boxed, "B");
}

TEST(MapProgramTest, ForksNoTextBeforeTheLastTextButAfterTheLastImage) {
  const TextPart prompt{kSegment};
  ProgramOptions options = Options();
  options.kind = model::MapKind::kSegmentation;
  MapProgram behind({InputImage{0}, prompt}, options);
  EXPECT_THAT(RunProgram(&behind, {}).lines,
              ElementsAre("cond + vae 0", "cond + vit 0", "no_text = cond",
                          absl::StrCat("cond + '", kSegment, "'"),
                          absl::StrCat("no_image + '", kSegment, "'"),
                          "segmentation 0 's'"));
  MapProgram before({prompt, InputImage{0}}, options);
  EXPECT_THAT(
      RunProgram(&before, {}).lines,
      ElementsAre(absl::StrCat("cond + '", kSegment, "'"),
                  absl::StrCat("no_image + '", kSegment, "'"), "cond + vae 0",
                  "cond + vit 0", "no_text = cond", "segmentation 0 's'"));
}

TEST(GenerateProgramTest, APlanGoesToCondOnly) {
  GenerateProgram program(ImageAndQuestion(), Options());
  const ProgramRun run = RunProgram(&program, {"<think>p</think>"});
  EXPECT_THAT(run.lines,
              ElementsAre("cond + 'SYS'", "no_image + 'SYS'", "cond + vae 0",
                          "cond + vit 0", "no_text = cond", "cond + 'Q'",
                          "no_image + 'Q'", "decode 0",
                          "cond + '<think>p</think>'", "image 0 'Q'"));
  EXPECT_EQ(run.finish.answer, "<think>p</think>");
}

TEST(GenerateProgramTest, DrawsFromTextAlone) {
  ProgramOptions options = Options();
  options.think = false;
  GenerateProgram program({TextPart{"Q", TextOrigin::kUser}}, options);
  EXPECT_THAT(RunProgram(&program, {}).lines,
              ElementsAre("no_text = cond", "cond + 'Q'", "no_image + 'Q'",
                          "image 0 'Q'"));
}

}  // namespace
}  // namespace cooper::engine
