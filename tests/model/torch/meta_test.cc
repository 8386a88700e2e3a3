// The path of a GPU on ATen's meta device: shapes, dtypes, and no tensor of the
// host in any operator.

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include <tuple>

#include "tests/model/torch/meta_network.h"
#include "tests/model/torch/operator_log.h"
#include "tests/testing/network_recorder.h"
#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;

constexpr int kLayers = 2;

class MetaTest
    : public ::testing::TestWithParam<std::tuple<const char*, at::ScalarType>> {
 protected:
  void ExpectOnDevice(const at::Tensor& tensor, at::ScalarType dtype,
                      const std::vector<int64_t>& sizes) {
    ASSERT_TRUE(tensor.defined());
    EXPECT_TRUE(tensor.is_meta());
    EXPECT_EQ(tensor.scalar_type(), dtype);
    EXPECT_EQ(tensor.sizes().vec(), sizes);
  }
  int64_t hidden() const { return network_.shape().llm.hidden_size; }

  void TearDown() override { EXPECT_THAT(log_.mixed(), IsEmpty()); }

  const c10::InferenceMode no_gradients_;
  const OperatorLog log_;
  const at::ScalarType dtype_ = std::get<1>(GetParam());
  MetaNetwork network_{std::get<0>(GetParam()), kLayers, dtype_};
};

TEST_P(MetaTest, TextsAndImagesOfTwoContextsAreAppendedTogether) {
  PagedContext a(network_.pool());
  PagedContext b(network_.pool());
  const auto latent = network_.LatentImage();
  const auto vision = network_.VisionImage();
  NetworkRecorder recorder;
  network_.transformer().set_recorder(&recorder);
  ASSERT_OK(network_.Prefill({{&a, TextOf(100)},
                              {&b, model::LatentImageSegment{latent}},
                              {&a, model::VisionImageSegment{vision}},
                              {&b, TextOf(7)}}));
  const int64_t stride = network_.autoencoder().token_stride();
  const int64_t latents =
      (latent->size.width / stride) * (latent->size.height / stride);
  const int64_t patches = network_.vision().patches(vision->size);
  ASSERT_EQ(recorder.segments().size(), 4u);
  const int64_t tokens[] = {100, 2 + latents, 2 + patches, 7};
  for (size_t i = 0; i < 4; ++i) {
    const NetworkRecorder::Tokens& segment = recorder.segments()[i];
    ExpectOnDevice(segment.input, dtype_, {tokens[i], hidden()});
    ExpectOnDevice(segment.output, dtype_, {tokens[i], hidden()});
  }
  EXPECT_EQ(a.cache_length(), 102 + patches);
  EXPECT_EQ(b.cache_length(), 9 + latents);
}

TEST_P(MetaTest, TokensAreDecodedInABatch) {
  const auto a = network_.SomeContext(4);
  const auto b = network_.SomeContext(70);
  PagedContext empty(network_.pool());
  const int64_t vocabulary = network_.shape().llm.vocab_size;
  ExpectOnDevice(network_.Decode({a.get()}), at::kFloat, {1, vocabulary});
  ExpectOnDevice(network_.Decode({a.get(), b.get(), &empty}), at::kFloat,
                 {3, vocabulary});
}

TEST_P(MetaTest, AFlowStepsWithThreeBranches) {
  const image::Size size = network_.LatentImage()->size;
  for (const model::Renorm renorm :
       {model::Renorm::kTextChannel, model::Renorm::kChannel,
        model::Renorm::kGlobal}) {
    const auto flow = network_.SomeDenoiser(size, renorm);
    ASSERT_EQ(flow->next_step_branches(), 3);
    const std::vector<int64_t> sizes = flow->x().sizes().vec();
    for (int step = 1; step <= 2; ++step) {
      ASSERT_OK(network_.Step(flow.get(), network_.delimiters()));
      EXPECT_EQ(flow->steps_done(), step);
      ExpectOnDevice(flow->x(), at::kFloat, sizes);
      ExpectOnDevice(flow->last_velocity(), at::kFloat, sizes);
      ExpectOnDevice(flow->Latents(model::LatentEstimate::kPredictedFinal),
                     at::kFloat, sizes);
    }
  }
}

TEST_P(MetaTest, TheAutoencoderGoesBothWays) {
  const Autoencoder& codec = network_.autoencoder();
  const image::Size size = network_.LatentImage()->size;
  const int64_t h = size.height / 8;
  const int64_t w = size.width / 8;
  const int64_t z = codec.z_channels();
  // Pixels and noise come from the host.
  const at::Tensor moments =
      codec.Moments(at::zeros({3, size.height, size.width}));
  ExpectOnDevice(moments, dtype_, {2 * z, h, w});
  const at::Tensor latent = codec.Sample(moments, at::zeros({z, h, w}));
  ExpectOnDevice(latent, dtype_, {z, h, w});
  const at::Tensor tokens = codec.Patchify(latent);
  ExpectOnDevice(tokens, dtype_, {h * w / 4, 4 * z});
  ExpectOnDevice(codec.Decode(codec.Unpatchify(tokens, h / 2, w / 2)), dtype_,
                 {3, size.height, size.width});
}

TEST_P(MetaTest, TheVisionEncoderTakesSeveralImages) {
  const auto image = network_.VisionImage();
  const int64_t patches = network_.vision().patches(image->size);
  ExpectOnDevice(network_.vision().Encode({image.get(), image.get()}), dtype_,
                 {2 * patches, hidden()});
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, MetaTest,
    ::testing::Combine(::testing::Values("nano", "7b"),
                       ::testing::Values(at::kBFloat16, at::kFloat)),
    [](const auto& info) {
      return std::string(std::get<0>(info.param)) +
             (std::get<1>(info.param) == at::kFloat ? "Float32" : "BFloat16");
    });

// Embeddings of the delimiters that were left on the host.
TEST(MetaNetworkTest, ATensorLeftOnTheHostIsFound) {
  const c10::InferenceMode no_gradients;
  MetaNetwork network("nano", kLayers, at::kBFloat16);
  const at::Tensor host =
      at::zeros(network.delimiters().sizes(), at::kBFloat16);
  PagedContext context(network.pool());
  const auto flow = network.SomeDenoiser(network.LatentImage()->size,
                                         model::Renorm::kTextChannel);
  {
    const OperatorLog log;
    (void)network.Prefill(
        {{&context, model::VisionImageSegment{network.VisionImage()}}}, host);
    EXPECT_THAT(log.mixed(), Contains("aten::cat"));
  }
  {
    const OperatorLog log;
    (void)network.Step(flow.get(), host);
    EXPECT_THAT(log.mixed(), Contains("aten::mul"));
  }
}

}  // namespace
}  // namespace cooper::torch_model
