#ifndef COOPER_TESTS_TESTING_RUN_ALONE_H_
#define COOPER_TESTS_TESTING_RUN_ALONE_H_

#include "absl/status/status.h"
#include "model/unified_model.h"
#include "server/engine/execution/execution.h"

namespace cooper::engine {

// Drives `execution` to its end on `model`, alone. OK: finished; else its
// status, or the model's where the device failed. Blocks.
absl::Status RunAlone(model::UnifiedModel* model, Execution* execution);

}  // namespace cooper::engine

#endif  // COOPER_TESTS_TESTING_RUN_ALONE_H_
