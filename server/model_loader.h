#ifndef COOPER_SERVER_MODEL_LOADER_H_
#define COOPER_SERVER_MODEL_LOADER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/load_progress.h"
#include "model/unified_model.h"
#include "server/model_source.h"

namespace cooper {

// Call first in main(), before any thread is started: sets up what the model's
// runtime reads when the program is loaded, which may start it once more.
void PrepareProcess(char** argv);

// Blocks for as long as reading takes. Errors name the file.
// FAILED_PRECONDITION: this program was built without the network.
// `progress`, if any, is told how far it is and must outlive the call.
absl::StatusOr<std::unique_ptr<model::UnifiedModel>> LoadModel(
    const ModelSource& source, model::LoadProgress* progress = nullptr);

}  // namespace cooper

#endif  // COOPER_SERVER_MODEL_LOADER_H_
