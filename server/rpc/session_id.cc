#include "server/rpc/session_id.h"

#include <unistd.h>

#include <array>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "server/base/check.h"

namespace cooper::rpc {

std::string DrawSessionId() {
  std::array<char, 16> bytes;
  COOPER_CHECK(getentropy(bytes.data(), bytes.size()) == 0);
  return absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
}

}  // namespace cooper::rpc
