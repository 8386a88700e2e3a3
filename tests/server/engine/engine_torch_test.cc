// The engine over the network itself: the goldens' nano checkpoint, and the
// demo one, whose weights are trained.

#include <gtest/gtest.h>

#include <string>

#include "model/torch/load_model.h"
#include "tests/server/engine/batch_independence.h"
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
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, EngineTorchTest,
                         ::testing::Values("/tests/data/goldens/nano",
                                           "/model/demo/checkpoint"),
                         [](const auto& param) {
                           return param.index == 0 ? "nano" : "demo";
                         });

}  // namespace
}  // namespace cooper::engine
