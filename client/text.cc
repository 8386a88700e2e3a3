#include "client/text.h"

#include "base/utf8.h"

namespace cooper::client {

std::string Printable(absl::string_view text) {
  std::string printable;
  printable.reserve(text.size());
  while (!text.empty()) {
    const base::Utf8Sequence next = base::NextUtf8(text);
    const bool valid = next.kind == base::Utf8Sequence::kValid;
    const size_t length = valid ? next.length : 1;
    const bool kept = valid && (!base::IsControl(next.code) ||
                                next.code == '\t' || next.code == '\n');
    if (kept) {
      printable.append(text.data(), length);
    } else {
      printable += "\xEF\xBF\xBD";
    }
    text.remove_prefix(length);
  }
  return printable;
}

}  // namespace cooper::client
