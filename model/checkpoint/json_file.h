#ifndef COOPER_MODEL_CHECKPOINT_JSON_FILE_H_
#define COOPER_MODEL_CHECKPOINT_JSON_FILE_H_

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// Reading the small files of a checkpoint. Private to model/: it shows
// nlohmann's types.

namespace cooper::checkpoint {

// Far above any configuration or vocabulary file seen; bounds what a wrong
// path can make us read.
constexpr size_t kMaxTextFileBytes = size_t{128} << 20;

// The whole file, without a byte order mark. NOT_FOUND: no such file;
// INVALID_ARGUMENT: not a regular file, longer than `max_bytes`, or something
// else in its place (ForeignContent); otherwise the code that errno maps to.
absl::StatusOr<std::string> ReadTextFile(const std::string& path,
                                         size_t max_bytes = kMaxTextFileBytes);

// A JSON object without repeated keys at any depth. INVALID_ARGUMENT names
// `file` and the place.
absl::StatusOr<nlohmann::json> ParseJsonObject(const std::string& text,
                                               absl::string_view file);

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_JSON_FILE_H_
