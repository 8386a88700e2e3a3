#ifndef COOPER_MODEL_CHECKPOINT_PATH_HINTS_H_
#define COOPER_MODEL_CHECKPOINT_PATH_HINTS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/checkpoint/file_lookup.h"

// What may be behind a path or a file that is not there. A hint continues an
// error message: "; ..." or ", but ...", or is empty where nothing is known.
// Only messages depend on it, so directories that cannot be read are passed
// over.

namespace cooper::checkpoint {

// For a directory that does not exist: a name on the hub, a URL, a "~" or "$"
// that the shell did not expand, two directories without a comma.
std::string HintForPath(const std::string& path);

// For a file that none of `directories` has under any of `names`: a folder
// below them has it, its download is not complete, or the base is not given.
std::string HintForMissing(const std::vector<absl::string_view>& names,
                           const Directories& directories);

// A file of a download that is not complete, where tools keep it: in
// `directory`, in the folder that `hf download --local-dir` makes there, or
// among the blobs of the hub's cache. Empty: none.
std::string UnfinishedDownload(const std::string& directory);

// The folder of a revision where `path` is in the hub's cache of a repository
// but not a revision: its root, or the folder snapshots or blobs. Empty: it is
// neither.
std::string RevisionInCache(const std::string& path);

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_PATH_HINTS_H_
