#include "base/check.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "base/logging.h"

namespace cooper::base {

void CheckFailed(const char* file, int line, const char* condition) {
  LogFailure(absl::StrCat(file, ":", line),
             absl::StrCat("check failed: ", condition));
  std::abort();
}

}  // namespace cooper::base
