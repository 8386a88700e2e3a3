#include "model/torch/denoiser.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/tensor.h>

#include <cmath>

#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;

at::Tensor Pair(float a, float b) { return at::tensor({a, b}).view({1, 2}); }

void ExpectValues(const at::Tensor& got, double a, double b) {
  EXPECT_NEAR(got.flatten()[0].item<double>(), a, 1e-5);
  EXPECT_NEAR(got.flatten()[1].item<double>(), b, 1e-5);
}

TEST(DenoiserTest, TimesAreShiftedTowardsNoise) {
  model::FlowOptions options;
  options.num_timesteps = 5;
  options.timestep_shift = 3.0;
  EXPECT_THAT(FlowTimes(options),
              ElementsAre(FloatNear(1.0f, 1e-6f), FloatNear(0.9f, 1e-6f),
                          FloatNear(0.75f, 1e-6f), FloatNear(0.5f, 1e-6f),
                          FloatNear(0.0f, 1e-6f)));
}

TEST(DenoiserTest, GuidanceAppliesAboveLowAndUpToHigh) {
  model::FlowOptions options;
  options.cfg_interval_low = 0.5;
  options.cfg_interval_high = 0.9;
  EXPECT_FALSE(Guided(options, 0.5f));
  EXPECT_TRUE(Guided(options, 0.51f));
  EXPECT_TRUE(Guided(options, 0.9f));
  EXPECT_FALSE(Guided(options, 0.95f));
  options.cfg_text_scale = 1.0;  // the image scale alone does nothing
  EXPECT_FALSE(Guided(options, 0.9f));
}

// cond (3, 4) of norm 5, no_text (0, 0), scale 4: u = (12, 16) of norm 20.
TEST(DenoiserTest, TextChannelRenormalisesBeforeTheImageMix) {
  model::FlowOptions options;
  const at::Tensor v = Guide(options, {Pair(3, 4), Pair(0, 0), Pair(1, 1)});
  // u is scaled back to (3, 4); then no_image + 2 (u - no_image).
  ExpectValues(v, 5, 7);
}

TEST(DenoiserTest, ChannelAndGlobalRenormaliseAfterBothMixes) {
  model::FlowOptions options;
  for (const model::Renorm renorm :
       {model::Renorm::kGlobal, model::Renorm::kChannel}) {
    options.cfg_renorm_type = renorm;
    const at::Tensor v = Guide(options, {Pair(3, 4), Pair(0, 0), Pair(0, 0)});
    ExpectValues(v, 3, 4);  // (24, 32) of norm 40, back to norm 5
  }
}

TEST(DenoiserTest, TheFactorIsNotBelowItsMinimumNorAboveOne) {
  model::FlowOptions options;
  options.cfg_img_scale = 1.0;
  options.cfg_renorm_min = 0.5;
  ExpectValues(Guide(options, {Pair(3, 4), Pair(0, 0), at::Tensor()}), 6, 8);
  // A guided velocity that is shorter than cond's stays.
  options.cfg_text_scale = 2.0;
  ExpectValues(Guide(options, {Pair(3, 4), Pair(3, 7), at::Tensor()}), 3, 1);
}

TEST(DenoiserTest, WithoutGuidanceTheConditionIsAll) {
  ExpectValues(Guide({}, {Pair(3, 4), at::Tensor(), at::Tensor()}), 3, 4);
}

}  // namespace
}  // namespace cooper::torch_model
