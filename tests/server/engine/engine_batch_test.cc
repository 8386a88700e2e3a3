#include <gtest/gtest.h>

#include "model/fake/fake_model.h"
#include "tests/server/engine/batch_independence.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/server/engine/short_of_memory.h"

namespace cooper::engine {
namespace {

TEST(EngineBatchTest, ResultsDoNotDependOnTheBatchNorOnNeighboursThatLeave) {
  fake::FakeScript script = SmallScript();
  script.delays.decode = absl::Microseconds(50);
  script.delays.flow_layer = absl::Microseconds(200);
  fake::FakeModel model(std::move(script));
  ExpectResultsDoNotDependOnTheBatch(&model, {});
}

TEST(EngineBatchTest, ResultsAreTheSameWhereMemoryRunsOutInBatches) {
  fake::FakeModel model(SmallScript());
  ShortOfMemory short_of_memory(&model);
  ExpectResultsDoNotDependOnTheBatch(&short_of_memory, {});
  EXPECT_GT(short_of_memory.failures(), 20);
}

}  // namespace
}  // namespace cooper::engine
