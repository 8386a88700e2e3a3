#ifndef COOPER_SERVER_FLAGS_H_
#define COOPER_SERVER_FLAGS_H_

#include "absl/status/status.h"
#include "server/lifecycle.h"
#include "server/model_source.h"

namespace cooper {

// Fills `options`, but for `load`, from the flags of the command line (flags.cc
// defines them; their defaults are those of the options) and chooses the log's
// format. INVALID_ARGUMENT "flag: what is wrong".
absl::Status ReadFlags(LifecycleOptions* options);

// Fills `source` from the flags, and the sizes of batches from `engine`.
// INVALID_ARGUMENT "flag: what is wrong".
absl::Status ReadModelFlags(const engine::EngineOptions& engine,
                            ModelSource* source);

// Whether --log_format asks for JSON; also before ReadFlags.
bool LogsAreJson();

// The file of the flags, as absl names it: --help shows these flags alone.
inline constexpr char kFlagsFile[] = "server/flags.cc";

}  // namespace cooper

#endif  // COOPER_SERVER_FLAGS_H_
