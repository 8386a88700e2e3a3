// The engine over the network itself, on the goldens' nano checkpoint.

#include <gtest/gtest.h>

#include <string>

#include "model/torch/load_model.h"
#include "tests/server/engine/batch_independence.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

TEST(EngineTorchTest, ResultsDoNotDependOnTheBatchNorOnNeighboursThatLeave) {
  torch_model::LoadOptions options;
  options.checkpoint_dirs = {std::string(COOPER_TEST_DATA) + "/goldens/nano"};
  options.device = "cpu";
  options.kv_cache_mib = 64;
  auto model = torch_model::LoadModel(options);
  ASSERT_OK(model.status());
  ExpectResultsDoNotDependOnTheBatch(model->get(),
                                     {.values = 1e-4, .levels = 1});
}

}  // namespace
}  // namespace cooper::engine
