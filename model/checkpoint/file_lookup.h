#ifndef COOPER_MODEL_CHECKPOINT_FILE_LOOKUP_H_
#define COOPER_MODEL_CHECKPOINT_FILE_LOOKUP_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// Finding the files of a checkpoint's directories. Symbolic links are followed
// wherever they lead: the hub's cache and Kubernetes volumes consist of them.

namespace cooper::checkpoint {

// Base first, fine-tune second.
using Directories = std::vector<std::string>;

constexpr char kAutoencoderFile[] = "ae.safetensors";
// The network's weights, in the order in which they are preferred.
constexpr const char* kNetworkFiles[] = {
    "model.safetensors", "model.safetensors.index.json", "ema.safetensors",
    "ema.safetensors.index.json"};

std::string JoinPath(absl::string_view directory, absl::string_view name);
// What follows the last slash.
absl::string_view FileName(absl::string_view path);

// Whether `path` can be the directory of a checkpoint. The error says what it
// is instead: absent, a file, a name on the hub, a URL, a "~" that the shell
// did not expand, the hub's cache outside the revisions.
absl::Status CheckDirectory(const std::string& path);

// Whether something other than a directory is at `path`. Only where nothing has
// that name is the answer false: a dangling link is NOT_FOUND, a directory
// INVALID_ARGUMENT, anything else that stat() says an error with its words.
absl::StatusOr<bool> FileIsThere(const std::string& path);

// The path of `name` in the last directory that has it. Errors: FileIsThere's.
absl::StatusOr<std::optional<std::string>> FindFile(
    const Directories& directories, absl::string_view name);

// The directory whose vocabulary counts: the last that holds vocab.json and
// merges.txt, or tokenizer.json. NOT_FOUND: none does, or one holds only half.
absl::StatusOr<std::string> FindVocabulary(const Directories& directories);

// NOT_FOUND "WHAT: not found in DIRECTORIES", and HintForMissing(names).
absl::Status NotFoundIn(absl::string_view what,
                        const std::vector<absl::string_view>& names,
                        const Directories& directories);

// The names in `directory`, sorted; empty if it cannot be read.
std::vector<std::string> NamesIn(const std::string& directory);

// What a file is that begins with `start` (512 bytes are enough) in place of
// what its name promises: "a Git LFS pointer, ...". nullopt: nothing known.
std::optional<std::string> ForeignContent(absl::string_view start);

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_FILE_LOOKUP_H_
