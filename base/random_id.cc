#include "base/random_id.h"

#include <unistd.h>

#include "absl/strings/escaping.h"
#include "base/check.h"

namespace cooper::base {

std::string DrawHexId(size_t bytes) {
  std::string drawn(bytes, '\0');
  COOPER_CHECK(getentropy(drawn.data(), drawn.size()) == 0);
  return absl::BytesToHexString(drawn);
}

}  // namespace cooper::base
