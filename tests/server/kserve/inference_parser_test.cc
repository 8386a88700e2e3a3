#include "server/kserve/inference_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "model/image/codec.h"
#include "server/engine/core/error.h"
#include "tests/testing/status_matchers.h"

namespace cooper::kserve {
namespace {

using cooper::testing::StatusIs;
using inference::ModelInferRequest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Png() {
  image::RgbImage picture;
  picture.size = {8, 8};
  picture.pixels.resize(size_t{8} * 8 * 3, 100);
  return image::EncodePng(picture).value();
}

// An input whose elements come typed.
void AddInput(const std::string& name, const std::vector<std::string>& elements,
              ModelInferRequest* request) {
  auto* input = request->add_inputs();
  input->set_name(name);
  input->set_datatype("BYTES");
  input->add_shape(static_cast<int64_t>(elements.size()));
  for (const auto& element : elements) {
    input->mutable_contents()->add_bytes_contents(element);
  }
}

// The same elements raw.
void MakeRaw(ModelInferRequest* request) {
  for (auto& input : *request->mutable_inputs()) {
    std::string* raw = request->add_raw_input_contents();
    for (const auto& element : input.contents().bytes_contents()) {
      const size_t size = element.size();
      for (int i = 0; i < 4; ++i) {
        raw->push_back(static_cast<char>(size >> (8 * i)));
      }
      *raw += element;
    }
    input.clear_contents();
  }
}

// The input IMAGE of datatype UINT8, raw or typed.
void AddPixels(const std::string& bytes, const std::vector<int64_t>& shape,
               bool raw, ModelInferRequest* request) {
  auto* input = request->add_inputs();
  input->set_name("IMAGE");
  input->set_datatype("UINT8");
  for (const int64_t side : shape) input->add_shape(side);
  if (raw) {
    request->add_raw_input_contents(bytes);
    return;
  }
  for (const char c : bytes) {
    input->mutable_contents()->add_uint_contents(static_cast<uint8_t>(c));
  }
}

class InferenceParserTest : public ::testing::Test {
 protected:
  InferenceParserTest() { info_.name = "fake"; }

  static ModelInferRequest Question() {
    ModelInferRequest request;
    request.set_model_name("fake");
    AddInput("IMAGE", {Png(), Png()}, &request);
    AddInput("QUESTION", {"How far?"}, &request);
    return request;
  }
  static ModelInferRequest Depth() {
    ModelInferRequest request;
    request.set_model_name("fake_depth");
    AddInput("IMAGE", {Png()}, &request);
    return request;
  }
  static inference::InferParameter* Parameter(ModelInferRequest* request,
                                              const std::string& name) {
    return &(*request->mutable_parameters())[name];
  }

  absl::StatusOr<InferenceRequest> Parse(const ModelInferRequest& request) {
    return InferenceParser(&info_, &limits_, &image_limits_, &metrics_)
        .Parse(request);
  }
  // "field: message" of the error, after a look at code and details.
  std::string ErrorOf(const ModelInferRequest& request) {
    const absl::Status status = Parse(request).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    const std::string field = engine::DetailsOf(status).field;
    EXPECT_EQ(status.message().find(field + ": "), 0u) << status;
    return std::string(status.message());
  }
  std::string ErrorAfter(const ModelInferRequest& request,
                         const std::function<void(ModelInferRequest*)>& edit) {
    ModelInferRequest changed = request;
    edit(&changed);
    return ErrorOf(changed);
  }

  model::ModelInfo info_;
  rpc::RpcLimits limits_;
  image::DecodeLimits image_limits_;
  prometheus::Registry registry_;
  metrics::ServerMetrics metrics_{&registry_};
};

TEST_F(InferenceParserTest, QuestionIsARequestWithImagesFirst) {
  for (const bool raw : {false, true}) {
    ModelInferRequest wire = Question();
    if (raw) MakeRaw(&wire);
    wire.set_id("mine");
    const auto request = Parse(wire);
    ASSERT_TRUE(request.ok()) << request.status();
    EXPECT_EQ(request->engine.id, "mine");
    ASSERT_EQ(request->engine.inputs.size(), 3u);
    const auto& image = std::get<engine::ImageInput>(request->engine.inputs[1]);
    EXPECT_EQ(image.bytes, Png());
    EXPECT_EQ(image.field, "inputs[IMAGE][1]");
    EXPECT_EQ(std::get<engine::TextInput>(request->engine.inputs[2]).text,
              "How far?");
    EXPECT_EQ(request->outputs.size(), 9u);
    EXPECT_FALSE(request->empty_final);
  }
}

TEST_F(InferenceParserTest, QuestionNeedsNoImage) {
  ModelInferRequest wire = Question();
  wire.mutable_inputs()->DeleteSubrange(0, 1);
  EXPECT_TRUE(Parse(wire).ok());
}

TEST_F(InferenceParserTest, ParametersAreOptionsOfTheSameNames) {
  ModelInferRequest wire = Question();
  Parameter(&wire, "mode")->set_string_param("text_only");
  Parameter(&wire, "seed")->set_uint64_param(~uint64_t{0});
  Parameter(&wire, "max_turns")->set_int64_param(2);
  Parameter(&wire, "do_sample")->set_bool_param(true);
  Parameter(&wire, "temperature")->set_int64_param(2);
  Parameter(&wire, "top_p")->set_double_param(0.5);
  Parameter(&wire, "num_timesteps")->set_int64_param(7);
  Parameter(&wire, "cfg_renorm_type")->set_string_param("RENORM_TYPE_GLOBAL");
  Parameter(&wire, "triton_enable_empty_final_response")->set_bool_param(true);
  const auto request = Parse(wire);
  ASSERT_TRUE(request.ok()) << request.status();
  const auto& task = std::get<engine::ReasonTask>(request->engine.task);
  EXPECT_EQ(task.mode, engine::Mode::kTextOnly);
  EXPECT_EQ(task.max_turns, 2);
  EXPECT_EQ(request->engine.seed, ~uint64_t{0});
  EXPECT_TRUE(request->engine.sampling.do_sample);
  EXPECT_EQ(request->engine.sampling.temperature, 2);
  EXPECT_EQ(request->engine.sampling.top_p, 0.5);
  EXPECT_EQ(request->engine.flow.num_timesteps, 7);
  EXPECT_EQ(request->engine.flow.cfg_renorm_type, model::Renorm::kGlobal);
  EXPECT_TRUE(request->empty_final);
}

// As tritonclient and KServe's SDK send them.
TEST_F(InferenceParserTest, ParametersOfTheTransportAreIgnored) {
  ModelInferRequest wire = Depth();
  MakeRaw(&wire);
  const auto plain = Parse(wire);
  ASSERT_OK(plain.status());
  (*wire.mutable_inputs(0)->mutable_parameters())["binary_data_size"]
      .set_int64_param(42);
  auto* output = wire.add_outputs();
  output->set_name("DEPTH");
  (*output->mutable_parameters())["binary_data"].set_bool_param(true);
  (*output->mutable_parameters())["classification"].set_int64_param(3);
  Parameter(&wire, "binary_data_output")->set_bool_param(true);
  Parameter(&wire, "sequence_id")->set_int64_param(7);
  Parameter(&wire, "sequence_start")->set_bool_param(true);
  Parameter(&wire, "sequence_end")->set_bool_param(false);
  const auto request = Parse(wire);
  ASSERT_OK(request.status());
  EXPECT_EQ(request->outputs, plain->outputs);
  EXPECT_EQ(request->timeout, absl::InfiniteDuration());
  EXPECT_EQ(std::get<engine::ImageInput>(request->engine.inputs[0]).bytes,
            Png());
}

TEST_F(InferenceParserTest, TritonsPriorityIsANumber) {
  ModelInferRequest wire = Depth();
  for (const auto& [level, priority] : {std::pair{0, engine::Priority::kNormal},
                                        {1, engine::Priority::kNormal},
                                        {2, engine::Priority::kLow},
                                        {1000, engine::Priority::kLow}}) {
    Parameter(&wire, "priority")->set_uint64_param(level);
    ASSERT_OK_AND_ASSIGN(auto request, Parse(wire));
    EXPECT_EQ(request.engine.priority, priority) << level;
    Parameter(&wire, "priority")->set_int64_param(level);
    ASSERT_OK_AND_ASSIGN(request, Parse(wire));
    EXPECT_EQ(request.engine.priority, priority) << level;
  }
  Parameter(&wire, "priority")->set_string_param("low");
  ASSERT_OK_AND_ASSIGN(const auto request, Parse(wire));
  EXPECT_EQ(request.engine.priority, engine::Priority::kLow);
  Parameter(&wire, "priority")->set_int64_param(-1);
  EXPECT_THAT(ErrorOf(wire), HasSubstr("parameters[priority]: must be one of"));
}

TEST_F(InferenceParserTest, TritonsTimeoutIsInMicroseconds) {
  ModelInferRequest wire = Depth();
  Parameter(&wire, "timeout")->set_int64_param(1500);
  EXPECT_EQ(Parse(wire)->timeout, absl::Microseconds(1500));
  Parameter(&wire, "timeout")->set_int64_param(0);
  EXPECT_EQ(Parse(wire)->timeout, absl::InfiniteDuration());
  Parameter(&wire, "timeout")->set_int64_param(-1);
  EXPECT_THAT(ErrorOf(wire), HasSubstr("parameters[timeout]: must be a whole"));
  Parameter(&wire, "timeout")->set_string_param("1s");
  EXPECT_THAT(ErrorOf(wire), HasSubstr("parameters[timeout]: must be a whole"));
}

TEST_F(InferenceParserTest, ImagesMayBePixels) {
  const std::string bytes = "abcdefghijklmnopqr";  // [2, 3, 3]
  for (const bool raw : {false, true}) {
    for (const std::vector<int64_t>& shape :
         {std::vector<int64_t>{2, 3, 3}, {1, 2, 3, 3}}) {
      ModelInferRequest wire;
      wire.set_model_name("fake_depth");
      AddPixels(bytes, shape, raw, &wire);
      ASSERT_OK_AND_ASSIGN(const auto request, Parse(wire));
      ASSERT_EQ(request.engine.inputs.size(), 1u);
      const auto& image =
          std::get<engine::ImageInput>(request.engine.inputs[0]);
      EXPECT_EQ(image.bytes, bytes);
      EXPECT_EQ(image.raw_size, (image::Size{3, 2}));
      EXPECT_EQ(image.field, "inputs[IMAGE][0]");
    }
  }
}

TEST_F(InferenceParserTest, PixelsOfSeveralImagesAreOneTensor) {
  ModelInferRequest wire = Question();
  wire.mutable_inputs()->DeleteSubrange(0, 1);
  AddPixels("abcdefghijklmnopqr", {3, 1, 2, 3}, /*raw=*/false, &wire);
  ASSERT_OK_AND_ASSIGN(const auto request, Parse(wire));
  ASSERT_EQ(request.engine.inputs.size(), 4u);
  const auto& last = std::get<engine::ImageInput>(request.engine.inputs[2]);
  EXPECT_EQ(last.bytes, "mnopqr");
  EXPECT_EQ(last.raw_size, (image::Size{2, 1}));
  EXPECT_EQ(last.field, "inputs[IMAGE][2]");
  EXPECT_EQ(std::get<engine::TextInput>(request.engine.inputs[3]).text,
            "How far?");
}

TEST_F(InferenceParserTest, BadPixelsAreNamed) {
  const auto error = [&](const std::string& pixels,
                         const std::vector<int64_t>& shape) {
    ModelInferRequest wire;
    wire.set_model_name("fake_depth");
    AddPixels(pixels, shape, /*raw=*/true, &wire);
    return ErrorOf(wire);
  };
  const std::string bytes(27, 'x');
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{},
                                            {27},
                                            {9, 3},
                                            {3, 3, 1},
                                            {3, 3, 4},
                                            {2, 3, 3, 3},
                                            {1, 1, 3, 3, 3}}) {
    EXPECT_THAT(error(bytes, shape),
                HasSubstr("inputs[IMAGE]: shape must be [height, width, 3] or "
                          "[1, height, width, 3], not ["));
  }
  constexpr int64_t kHuge = int64_t{1} << 62;
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{3, 2, 3},
                                            {3, 4, 3},
                                            {0, 3, 3},
                                            {-3, -3, 3},
                                            {kHuge, kHuge, 3},
                                            {kHuge / 3 * 2, 6, 3}}) {
    EXPECT_THAT(error(bytes, shape),
                HasSubstr("inputs[IMAGE]: has 27 elements, but shape ["));
  }
  EXPECT_THAT(error("", {0, 0, 3}), HasSubstr("has 0 elements, but shape"));
  EXPECT_THAT(error(std::string(3 * 300, 'x'), {1, 300, 3}),
              HasSubstr("inputs[IMAGE][0]: the image is 300x1 px, an aspect"));
  image_limits_.max_pixels = 8;
  EXPECT_THAT(error(bytes, {3, 3, 3}),
              HasSubstr("inputs[IMAGE][0]: the image is 3x3 = 9 pixels"));
  ModelInferRequest typed;
  typed.set_model_name("fake_depth");
  AddPixels("xyz", {1, 1, 3}, /*raw=*/false, &typed);
  typed.mutable_inputs(0)->mutable_contents()->set_uint_contents(1, 256);
  EXPECT_THAT(ErrorOf(typed),
              HasSubstr("inputs[IMAGE]: elements must be in [0, 255]"));
}

TEST_F(InferenceParserTest, ThePixelsOfAllImagesTogetherAreLimited) {
  image_limits_.max_pixels = 9;
  ModelInferRequest wire = Question();
  wire.mutable_inputs()->DeleteSubrange(0, 1);
  AddPixels(std::string(36, 'x'), {2, 2, 3, 3}, /*raw=*/false, &wire);
  EXPECT_THAT(ErrorOf(wire), HasSubstr("inputs[IMAGE][1]: the request's images "
                                       "have 12 pixels together"));
}

TEST_F(InferenceParserTest, BadParametersAreNamed) {
  const auto error = [&](const std::string& name, auto set) {
    return ErrorAfter(Depth(), [&](auto* r) { set(Parameter(r, name)); });
  };
  EXPECT_THAT(error("seed", [](auto* p) { p->set_int64_param(-1); }),
              HasSubstr("parameters[seed]: must be a whole number from 0"));
  EXPECT_THAT(error("seed", [](auto* p) { p->set_string_param("1"); }),
              HasSubstr("parameters[seed]: "));
  EXPECT_THAT(error("num_timesteps",
                    [](auto* p) { p->set_int64_param(int64_t{1} << 31); }),
              HasSubstr("parameters[num_timesteps]: "));
  EXPECT_THAT(error("num_timesteps", [](auto* p) { p->set_int64_param(1); }),
              HasSubstr("parameters[num_timesteps]: must be in"));
  EXPECT_THAT(
      error("cfg_renorm_type", [](auto* p) { p->set_string_param("no"); }),
      HasSubstr("must be one of RENORM_TYPE_GLOBAL, "));
  for (const char* name : {"max_turns", "image", "model", "request_id", "flow",
                           "output", "roles", "triton_x", ""}) {
    EXPECT_THAT(error(name, [](auto* p) { p->set_int64_param(1); }),
                HasSubstr("no such parameter"))
        << name;
  }
}

TEST_F(InferenceParserTest, BadTensorsAreNamed) {
  const auto edit = [&](auto change) { return ErrorAfter(Depth(), change); };
  EXPECT_THAT(edit([](auto* r) { r->clear_inputs(); }),
              HasSubstr("inputs[IMAGE]: required"));
  EXPECT_THAT(edit([](auto* r) { AddInput("FOO", {"x"}, r); }),
              HasSubstr("inputs[FOO]: the model has no such input"));
  EXPECT_THAT(edit([](auto* r) { AddInput("IMAGE", {"x"}, r); }),
              HasSubstr("inputs[IMAGE]: is given twice"));
  EXPECT_THAT(edit([](auto* r) { r->mutable_inputs(0)->set_datatype("FP32"); }),
              HasSubstr("datatype must be BYTES or UINT8, not FP32"));
  EXPECT_THAT(edit([](auto* r) { r->mutable_inputs(0)->set_shape(0, 2); }),
              HasSubstr("shape must be [1], not [2]"));
  EXPECT_THAT(edit([](auto* r) { r->mutable_inputs(0)->add_shape(1); }),
              HasSubstr("shape must be [1], not [1, 1]"));
  EXPECT_THAT(edit([](auto* r) { r->mutable_inputs(0)->clear_contents(); }),
              HasSubstr("has 0 elements, but shape [1]"));
  EXPECT_THAT(edit([](auto* r) {
                auto* p = r->mutable_inputs(0)->mutable_parameters();
                (*p)["shared_memory_region"].set_string_param("r");
              }),
              HasSubstr("inputs[IMAGE]: parameter shared_memory_region"));
  EXPECT_THAT(edit([](auto* r) {
                auto* output = r->add_outputs();
                output->set_name("DEPTH");
                (*output->mutable_parameters())["shared_memory_region"]
                    .set_string_param("r");
              }),
              HasSubstr("outputs[DEPTH]: parameter shared_memory_region"));
  EXPECT_THAT(edit([](auto* r) {
                r->mutable_inputs(0)->mutable_contents()->set_bytes_contents(
                    0, "not an image");
              }),
              HasSubstr("inputs[IMAGE][0]: "));
}

TEST_F(InferenceParserTest, BadRawContentsAreRefused) {
  ModelInferRequest good = Depth();
  MakeRaw(&good);
  const auto edit = [&](auto change) { return ErrorAfter(good, change); };
  EXPECT_THAT(
      edit([](auto* r) { r->mutable_raw_input_contents(0)->pop_back(); }),
      HasSubstr("inputs[IMAGE]: raw contents end inside element 0"));
  EXPECT_THAT(edit([](auto* r) { *r->mutable_raw_input_contents(0) += "xy"; }),
              HasSubstr("raw contents end inside element 1"));
  EXPECT_THAT(
      edit([](auto* r) { *r->add_raw_input_contents() = std::string("x"); }),
      HasSubstr("raw_input_contents: has 2 entries for 1 inputs"));
  EXPECT_THAT(edit([](auto* r) { r->mutable_inputs(0)->mutable_contents(); }),
              HasSubstr("inputs[IMAGE]: has contents beside"));
}

TEST_F(InferenceParserTest, BadQuestionsAreNamed) {
  const auto error = [&](const std::string& text) {
    return ErrorAfter(Question(), [&](auto* r) {
      r->mutable_inputs(1)->mutable_contents()->set_bytes_contents(0, text);
    });
  };
  EXPECT_THAT(error(" "), HasSubstr("inputs[QUESTION]: required"));
  EXPECT_THAT(error("a\xff"), HasSubstr("inputs[QUESTION]: must be UTF-8"));
  limits_.max_text_bytes = 3;
  EXPECT_THAT(error("Where?"), HasSubstr("inputs[QUESTION]: "));
}

TEST_F(InferenceParserTest, TooManyImagesAreNamed) {
  limits_.max_inputs = 2;
  EXPECT_THAT(ErrorOf(Question()), HasSubstr("inputs[IMAGE]: "));
  limits_.max_inputs = 3;
  limits_.max_images = 1;
  EXPECT_THAT(ErrorOf(Question()), HasSubstr("inputs[IMAGE][1]: "));
}

TEST_F(InferenceParserTest, OutputsChooseWhatTheEngineEncodes) {
  ModelInferRequest wire = Depth();
  auto request = Parse(wire);
  ASSERT_TRUE(request.ok());
  EXPECT_THAT(request->outputs, ElementsAre("DEPTH"));
  EXPECT_THAT(request->engine.output.roles,
              ElementsAre(engine::MapRole::kValues));
  EXPECT_EQ(request->engine.output.depth_encoding,
            engine::MapEncoding::kRawFloat32);
  wire.add_outputs()->set_name("DISPLAY");
  request = Parse(wire);
  EXPECT_THAT(request->outputs, ElementsAre("DISPLAY"));
  EXPECT_THAT(request->engine.output.roles,
              ElementsAre(engine::MapRole::kDisplay));
  EXPECT_THAT(
      ErrorAfter(wire, [](auto* r) { r->add_outputs()->set_name("DISPLAY"); }),
      HasSubstr("outputs[DISPLAY]: is given twice"));
  EXPECT_THAT(
      ErrorAfter(wire, [](auto* r) { r->add_outputs()->set_name("ANSWER"); }),
      HasSubstr("outputs[ANSWER]: the model has no such output"));
}

TEST_F(InferenceParserTest, OnlyOurNamesAndVersionAreFound) {
  ModelInferRequest wire = Depth();
  wire.set_model_version("1");
  EXPECT_TRUE(Parse(wire).ok());
  wire.set_model_version("2");
  EXPECT_THAT(Parse(wire).status(), StatusIs(absl::StatusCode::kNotFound,
                                             HasSubstr("model_version: ")));
  for (const char* name : {"", "_depth", "fake_", "other", "other_depth"}) {
    wire.set_model_name(name);
    wire.set_model_version("");
    EXPECT_THAT(Parse(wire).status(),
                StatusIs(absl::StatusCode::kNotFound,
                         HasSubstr("served are \"fake\", \"fake_depth\"")))
        << name;
  }
}

}  // namespace
}  // namespace cooper::kserve
