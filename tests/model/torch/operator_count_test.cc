// What the generic path asks of a GPU: kernels and uploads. A host read within
// a pass would throw: the meta device has no values.

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/model/torch/meta_network.h"
#include "tests/model/torch/operator_log.h"
#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Kernels a layer. Lower a bound when the path gets better; raise it only with
// a measurement that says why.
//
// Text: four norms of 8, two sums, four products, rope of q and k 16, cache
// write 2, gather 2, attention 1, SiLU and product 2.
constexpr int kTextLaunches = 61;
// Both experts, without cache write, gather and attention, 112; an MLP of
// 12,288 rows in six blocks 26; attention with its gathers and joins 12.
constexpr int kDenoiseLaunches = 150;
// Two norms, four products, two sums, attention, GELU.
constexpr int kVisionLaunches = 10;

// Kernels of a pass beside its layers: embedding, rope angles, final norm,
// logits; for denoising also the latents' way in and out, guidance and step.
constexpr int kDecodeEnds = 23;
constexpr int kDenoiseEnds = 38;
constexpr int kVisionEnds = 14;

// Uploads of a pass, whatever the layers and the batch: its plan (token ids,
// page tables, positions, lengths) in one piece. Of the vision encoder: pixels;
// positions and lengths.
constexpr int kDecodeUploads = 1;
constexpr int kTwoTextsUploads = 1;
constexpr int kDenoiseUploads = 1;
constexpr int kVisionUploads = 2;

struct Cost {
  int launches_per_layer = 0;
  int other_launches = 0;
  int uploads = 0;
};

// Calls that are made under a log; what must be there before is made first.
using Prepared =
    std::function<std::function<absl::Status()>(MetaNetwork& network)>;

// On the 7B shape in bfloat16, with two and with three layers.
class OperatorCountTest : public ::testing::Test {
 protected:
  static constexpr int kLayers = 2;

  Cost CostOf(const Prepared& setup) {
    const auto run = [&](MetaNetwork& network, int* launches, int* uploads) {
      const std::function<absl::Status()> work = setup(network);
      const OperatorLog log;
      EXPECT_OK(work());
      EXPECT_THAT(log.mixed(), IsEmpty());
      *launches = log.launches();
      *uploads = log.uploads();
      list_ = log.LaunchList();
    };
    Cost cost;
    int launches = 0;
    int more_launches = 0;
    int more_uploads = 0;
    run(small_, &launches, &cost.uploads);
    run(large_, &more_launches, &more_uploads);
    EXPECT_EQ(more_uploads, cost.uploads) << "a layer uploads";
    cost.launches_per_layer = more_launches - launches;
    cost.other_launches = launches - kLayers * cost.launches_per_layer;
    return cost;
  }

  const c10::InferenceMode no_gradients_;
  MetaNetwork small_{"7b", kLayers, at::kBFloat16};
  MetaNetwork large_{"7b", kLayers + 1, at::kBFloat16};
  std::string list_;  // operators of the last run, for messages
};

// The next token of `batch` contexts of different lengths.
Prepared Decoding(int batch) {
  return [batch](MetaNetwork& network) {
    auto owned = std::make_shared<std::vector<std::unique_ptr<PagedContext>>>();
    std::vector<PagedContext*> contexts;
    for (int i = 0; i < batch; ++i) {
      owned->push_back(std::make_unique<PagedContext>(network.pool()));
      contexts.push_back(owned->back().get());
      EXPECT_OK(network.Prefill({{contexts.back(), TextOf(50 + 7 * i)}}));
    }
    return [&network, owned, contexts] {
      network.Decode(contexts);
      return absl::OkStatus();
    };
  };
}

TEST_F(OperatorCountTest, ADecodedTokenCostsTheSameInEveryBatch) {
  for (const int batch : {1, 8, 32}) {
    SCOPED_TRACE(batch);
    const Cost cost = CostOf(Decoding(batch));
    EXPECT_LE(cost.launches_per_layer, kTextLaunches) << list_;
    EXPECT_LE(cost.other_launches, kDecodeEnds) << list_;
    EXPECT_LE(cost.uploads, kDecodeUploads);
  }
}

TEST_F(OperatorCountTest, ATextCostsAsMuchAsAToken) {
  const Cost cost = CostOf([](MetaNetwork& network) {
    auto a = std::make_shared<PagedContext>(network.pool());
    auto b = std::make_shared<PagedContext>(network.pool());
    return [&network, a, b] {
      return network.Prefill({{a.get(), TextOf(300)}, {b.get(), TextOf(20)}});
    };
  });
  EXPECT_LE(cost.launches_per_layer, kTextLaunches) << list_;
  EXPECT_LE(cost.uploads, kTwoTextsUploads);
}

TEST_F(OperatorCountTest, ADenoisingStepOfThreeBranchesIsOnePass) {
  const Cost cost = CostOf([](MetaNetwork& network) {
    const std::shared_ptr<TorchDenoiser> flow =
        network.SomeDenoiser({1024, 1024}, model::Renorm::kTextChannel);
    EXPECT_EQ(flow->next_step_branches(), 3);
    return [&network, flow] {
      return network.Step(flow.get(), network.delimiters());
    };
  });
  EXPECT_LE(cost.launches_per_layer, kDenoiseLaunches) << list_;
  EXPECT_LE(cost.other_launches, kDenoiseEnds) << list_;
  EXPECT_LE(cost.uploads, kDenoiseUploads);
}

TEST_F(OperatorCountTest, ImagesAreEncodedTogether) {
  const auto image = small_.VisionImage();
  const auto other = small_.VisionImage();
  const auto launches = [&](const std::vector<const image::RgbImage*>& images) {
    const OperatorLog log;
    (void)small_.vision().Encode(images);
    EXPECT_THAT(log.mixed(), IsEmpty());
    EXPECT_LE(log.uploads(), kVisionUploads);
    list_ = log.LaunchList();
    return log.launches();
  };
  const int one = launches({image.get()});
  const checkpoint::RandomShape& shape = small_.shape();
  const int layers =
      shape.vit.num_hidden_layers - shape.cooper.vit_drop_last_layers;
  EXPECT_LE(one, layers * kVisionLaunches + kVisionEnds) << list_;
  EXPECT_LE(launches({image.get(), other.get()}), one) << list_;
}

TEST_F(OperatorCountTest, TheLogTellsKernelsUploadsAndMixedOperators) {
  const at::Tensor here = small_.Empty({4, 8}, at::kFloat);
  const OperatorLog log;
  const at::Tensor uploaded = at::zeros({4, 8}).to(here.device());
  EXPECT_EQ(log.uploads(), 1);
  EXPECT_THAT(log.mixed(), IsEmpty());
  const int before = log.launches();
  (void)(here.narrow(0, 0, 2).reshape({16}) * 2.0);
  EXPECT_EQ(log.launches(), before + 1);
  // This one libtorch does not refuse on the meta device.
  (void)at::cat({here, at::zeros({4, 8})});
  EXPECT_THAT(log.mixed(), ElementsAre("aten::cat"));
  EXPECT_ANY_THROW((void)here.sum().item<float>());
}

}  // namespace
}  // namespace cooper::torch_model
