#ifndef COOPER_CLIENT_CLI_OUTPUT_FOLDER_H_
#define COOPER_CLIENT_CLI_OUTPUT_FOLDER_H_

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cooper/v1/spatial_reasoning.pb.h"

namespace cooper::client {

// The folder of --out: events.jsonl grows while the call runs, the rest is
// written when it is there. Files of an earlier call with the same names are
// replaced, others left. Errors are INVALID_ARGUMENT (the folder) or DATA_LOSS
// (a file in it), with the path. Not thread-safe.
class OutputFolder {
 public:
  // Makes the folder, with those above it, and an empty events.jsonl.
  static absl::StatusOr<OutputFolder> Create(const std::string& path);

  // Writes `bytes` to `name`; names hold no separator.
  absl::Status Write(const std::string& name, absl::string_view bytes);
  absl::Status AppendEvent(absl::string_view json_line);

  const std::filesystem::path& path() const { return path_; }

 private:
  explicit OutputFolder(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
  std::ofstream events_;
};

// "map0-depth-values.png", "map1-segmentation-display.png"; ".f32" for raw
// floats.
std::string MapFileName(const v1::MapResult& map);
// Writes a map without a folder: to "scene-depth-values.png" in the working
// directory, for `stem` "scene"; "scene-depth-values-2.png" where that exists.
// Returns the name, or DATA_LOSS.
absl::StatusOr<std::string> WriteMapFile(const std::string& stem,
                                         const v1::MapResult& map);
// "map0-preview-005.png".
std::string PreviewFileName(int map_id, int step);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_OUTPUT_FOLDER_H_
