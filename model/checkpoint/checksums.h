#ifndef COOPER_MODEL_CHECKPOINT_CHECKSUMS_H_
#define COOPER_MODEL_CHECKPOINT_CHECKSUMS_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "base/digest.h"

namespace cooper::checkpoint {

// The SHA-256 that a file should have, and where that stands.
struct ExpectedDigest {
  base::Digest digest = {};
  std::string source;
};

// By file name (without "./"), as `sha256sum` writes them, in either of its
// forms; names in other directories are left out. INVALID_ARGUMENT: the line
// that is neither, or that gives a file another digest than one before.
absl::StatusOr<std::map<std::string, base::Digest>> ParseSha256Sums(
    const std::string& text);

// The digest of the weight file `path`: from SHA256SUMS in its directory, else
// from the hub: the name of the blob that the path is a link to (at any step of
// a chain of links), or what a download into a directory noted under
// .cache/huggingface. NOT_FOUND: none of these gives it.
absl::StatusOr<ExpectedDigest> FindExpectedDigest(const std::string& path);

// In hexadecimal, lower case.
std::string HexOf(const base::Digest& digest);

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_CHECKSUMS_H_
