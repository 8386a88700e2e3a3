#include "model/text_codec.h"

#include <utility>

#include "base/utf8.h"

namespace cooper::model {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";  // U+FFFD

}  // namespace

std::string Utf8Stream::Push(absl::string_view bytes) {
  std::string text = std::exchange(pending_, {});
  text.append(bytes.data(), bytes.size());
  std::string out;
  absl::string_view rest = text;
  while (!rest.empty()) {
    const base::Utf8Sequence next = base::NextUtf8(rest);
    if (next.kind == base::Utf8Sequence::kUnfinished) {
      pending_ = std::string(rest);
      break;
    }
    if (next.kind == base::Utf8Sequence::kValid) {
      out.append(rest.data(), next.length);
    } else {
      out += kReplacement;
    }
    rest.remove_prefix(next.length);
  }
  return out;
}

std::string Utf8Stream::Finish() {
  return std::exchange(pending_, {}).empty() ? "" : kReplacement;
}

std::string TextCodec::Decode(const std::vector<TokenId>& ids) const {
  Utf8Stream stream;
  std::string out;
  for (const TokenId id : ids) out += stream.Push(TokenBytes(id));
  return out + stream.Finish();
}

}  // namespace cooper::model
