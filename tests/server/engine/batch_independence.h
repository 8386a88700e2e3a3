#ifndef COOPER_TESTS_SERVER_ENGINE_BATCH_INDEPENDENCE_H_
#define COOPER_TESTS_SERVER_ENGINE_BATCH_INDEPENDENCE_H_

#include "model/unified_model.h"

namespace cooper::engine {

// How far values of maps may lie apart, for a model that rounds differently in
// another batch. Texts must be equal.
struct MapTolerance {
  double values = 0;  // of float32 values
  int levels = 0;     // of 8-bit colours
};

// Runs eight requests of all kinds on an engine over `model`: each alone; all
// together; and among others like them that are cancelled at random. Expects
// that each writes and draws the same every time. Nothing else may use the
// model meanwhile. Blocks.
void ExpectResultsDoNotDependOnTheBatch(model::UnifiedModel* model,
                                        MapTolerance tolerance);

}  // namespace cooper::engine

#endif  // COOPER_TESTS_SERVER_ENGINE_BATCH_INDEPENDENCE_H_
