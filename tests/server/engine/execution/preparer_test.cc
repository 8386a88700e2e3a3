#include "server/engine/execution/preparer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <variant>

#include "model/fake/fake_model.h"
#include "model/image/resize.h"
#include "server/engine/core/error.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/testing/fake_clock.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PreparerTest : public ::testing::Test {
 protected:
  prometheus::Registry registry_;
  metrics::ServerMetrics metrics_{&registry_};
  testing::FakeClock clock_;
  fake::FakeModel model_{SmallScript()};
  Preparer preparer_{&model_, &metrics_, &clock_, {}, int64_t{64} << 20};

  absl::StatusOr<PreparedRequest> Prepare(Request request) {
    request_ = std::move(request);
    return preparer_.Prepare(&request_);
  }
  int64_t Rows(const std::string& text) {
    return static_cast<int64_t>(text.size()) + 2;
  }
  Request request_;
};

TEST_F(PreparerTest, ResizesByTheLatentRuleAndThenByTheVisionRule) {
  ASSERT_OK_AND_ASSIGN(const PreparedRequest prepared,
                       Prepare(Question("a depth question")));
  ASSERT_EQ(prepared.spec.images.size(), 1U);
  const PreparedImage& image = prepared.spec.images[0];
  EXPECT_EQ(image.latents->pixels, TestImage(96, 80).pixels);
  EXPECT_EQ(image.vision->size, (image::Size{98, 84}));
  EXPECT_EQ(image.vision->pixels,
            image::ApplyRule(*image.latents, model_.info().vit_rule).pixels);
  EXPECT_EQ(prepared.images, 1);
  EXPECT_THAT(request_.inputs, IsEmpty());  // their bytes are freed
}

TEST_F(PreparerTest, ReckonsTheLargestContexts) {
  ASSERT_OK_AND_ASSIGN(const PreparedRequest prepared,
                       Prepare(Question("a depth question")));
  const model::Prompts prompts = model::Prompts::Cooper();
  PartTokens parts;
  parts.system = Rows(prompts.interleave_reason_system_prompt);
  parts.texts = Rows("a depth question");
  parts.images = (6 * 5 + 2) + (7 * 6 + 2);
  parts.map = 7 * 6 + 2;
  parts.reflection = Rows(prompts.reflection_prompt);
  EXPECT_EQ(prepared.kv_tokens, KvDemand(ReasonTask{}, 200, parts));
}

TEST_F(PreparerTest, AMapIsOfTheLastImagesSize) {
  Request request = Question("q");
  request.inputs.insert(request.inputs.begin(),
                        ImageInput{TestPng(64, 64), "inputs[0].image"});
  ASSERT_OK_AND_ASSIGN(PreparedRequest prepared, Prepare(std::move(request)));
  EXPECT_EQ(prepared.images, 2);
  request_.task = MapTask{model::MapKind::kSegmentation};
  Request map = Question("unused");
  map.task = MapTask{model::MapKind::kSegmentation};
  map.inputs.pop_back();
  ASSERT_OK_AND_ASSIGN(prepared, Prepare(std::move(map)));
  Program& program = *prepared.spec.program;
  ASSERT_TRUE(std::holds_alternative<ContextWork>(program.Next()));
  const Work work = program.Next();
  const auto& flow = std::get<DenoiseWork>(work);
  EXPECT_EQ(flow.size, (image::Size{96, 80}));
  EXPECT_EQ(flow.kind, model::MapKind::kSegmentation);
  EXPECT_EQ(flow.request_text,
            "Segment the objects in the image with different colors.");
}

TEST_F(PreparerTest, WithoutAnImageAMapIsOfFullSizeUnlessOneIsAskedFor) {
  EXPECT_EQ(FullMapSize(model_.info()), (image::Size{128, 128}));
  for (const image::Size asked : {image::Size{}, image::Size{64, 96}}) {
    Request request = Question("A red chair.");
    request.task = GenerateTask{.think = false, .size = asked};
    request.inputs.erase(request.inputs.begin());
    ASSERT_OK_AND_ASSIGN(const PreparedRequest prepared,
                         Prepare(std::move(request)));
    prepared.spec.program->Next();
    const Work work = prepared.spec.program->Next();
    EXPECT_EQ(std::get<DenoiseWork>(work).size,
              asked.width > 0 ? asked : (image::Size{128, 128}));
  }
}

TEST_F(PreparerTest, TextOnlyNeedsNoLatents) {
  Request request = Question("q");
  request.task = ReasonTask{Mode::kTextOnly, 3};
  ASSERT_OK_AND_ASSIGN(const PreparedRequest prepared,
                       Prepare(std::move(request)));
  EXPECT_EQ(prepared.spec.images[0].latents, nullptr);
  EXPECT_EQ(prepared.spec.images[0].vision->size, (image::Size{98, 84}));
}

TEST_F(PreparerTest, UserTextIsPlainAndFixedTextIsEncodedOnce) {
  ASSERT_OK_AND_ASSIGN(const PreparedRequest first,
                       Prepare(Question("a <|im_end|> b")));
  ASSERT_OK_AND_ASSIGN(const PreparedRequest second, Prepare(Question("q")));
  const auto& user = *first.spec.encoded.front();
  EXPECT_EQ(user.part.origin, TextOrigin::kUser);
  EXPECT_EQ(user.ids.size(), user.part.text.size());
  EXPECT_EQ(first.spec.encoded.back(), second.spec.encoded.back());
}

TEST_F(PreparerTest, ABadImageNamesItsField) {
  Request request = Question("q");
  std::get<ImageInput>(request.inputs[0]).bytes.resize(40);
  const auto prepared = Prepare(std::move(request));
  EXPECT_THAT(prepared, testing::StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("inputs[0].image: ")));
  EXPECT_EQ(DetailsOf(prepared.status()).reason, ErrorReason::kInvalidImage);
  EXPECT_EQ(DetailsOf(prepared.status()).field, "inputs[0].image");
}

}  // namespace
}  // namespace cooper::engine
