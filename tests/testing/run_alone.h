#ifndef COOPER_TESTS_TESTING_RUN_ALONE_H_
#define COOPER_TESTS_TESTING_RUN_ALONE_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "model/unified_model.h"
#include "server/engine/execution/execution.h"

namespace cooper::engine {

// Returns the map that the model looks at in place of the one that was
// rendered.
using ShowMap = std::function<std::shared_ptr<const DrawnMap>(
    std::shared_ptr<const DrawnMap>)>;
// Drives `execution` to its end on `model`, alone. OK: finished; else its
// status, or the model's where the device failed. Blocks. A null `show` changes
// no map.
absl::Status RunAlone(model::UnifiedModel* model, Execution* execution,
                      const ShowMap& show = nullptr);

}  // namespace cooper::engine

#endif  // COOPER_TESTS_TESTING_RUN_ALONE_H_
