// The engine over the network itself: the goldens' nano checkpoint, and the
// demo one, whose weights are trained.

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "model/torch/load_model.h"
#include "server/engine/core/error.h"
#include "server/engine/engine.h"
#include "tests/model/torch/fake_device_layer.h"
#include "tests/server/engine/batch_independence.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/server/engine/short_of_memory.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

class EngineTorchTest : public ::testing::TestWithParam<const char*> {};

TEST_P(EngineTorchTest, ResultsDoNotDependOnTheBatchNorOnNeighboursThatLeave) {
  torch_model::LoadOptions options;
  options.checkpoint_dirs = {std::string(COOPER_SOURCE_DIR) + GetParam()};
  options.device = "cpu";
  options.dtype = "float32";
  options.kv_cache_mib = 64;
  auto model = torch_model::LoadModel(options);
  ASSERT_OK(model.status());
  ExpectResultsDoNotDependOnTheBatch(model->get(),
                                     {.values = 1e-4, .levels = 1});
  SCOPED_TRACE("short of memory");
  ShortOfMemory short_of_memory(model->get());
  ExpectResultsDoNotDependOnTheBatch(&short_of_memory,
                                     {.values = 1e-4, .levels = 1});
  EXPECT_GT(short_of_memory.failures(), 20);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, EngineTorchTest,
                         ::testing::Values("/tests/data/goldens/nano",
                                           "/model/demo/checkpoint"),
                         [](const auto& param) {
                           return param.index == 0 ? "nano" : "demo";
                         });

TEST(EngineGpuTest, AGpuThatVanishesEndsEverythingAndStopsAdmission) {
  torch_model::FakeDeviceLayer layer;
  torch_model::LoadOptions options;
  options.checkpoint_dirs = {std::string(COOPER_SOURCE_DIR) +
                             "/tests/data/goldens/nano"};
  options.device = "cuda:0";
  options.dtype = "float32";
  options.kv_cache_mib = 64;
  options.device_layer = &layer;
  auto model = torch_model::LoadModel(options);
  ASSERT_OK(model.status());
  prometheus::Registry registry;
  metrics::ServerMetrics metrics(&registry);
  Engine engine(model->get(), &metrics, base::Clock::Real(), {});
  const auto submit = [&](int image) {
    Request request = Question("a depth question");
    request.inputs[0] = ImageInput{TestPng(96, 80, image), "inputs[0].image"};
    auto recorded = std::make_shared<Recorded>();
    EXPECT_OK(engine.Submit(std::move(request),
                            std::make_unique<RecordingSink>(recorded)));
    return recorded;
  };
  EXPECT_OK(submit(0)->WaitDone());
  // After two parts of the next prefill.
  std::atomic<int> left = 3;
  layer.on_synchronize = [&left] {
    return --left > 0 ? absl::OkStatus()
                      : absl::InternalError("the GPU has fallen off the bus");
  };
  const absl::Status status = submit(1)->WaitDone();
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kEngineFailed) << status;
  EXPECT_FALSE(engine.healthy());
}

}  // namespace
}  // namespace cooper::engine
