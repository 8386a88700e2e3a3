#include "model/text_codec.h"

#include <utility>

namespace cooper::model {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";  // U+FFFD

// How the bytes at the start of a text read as UTF-8.
struct Sequence {
  enum Kind { kValid, kInvalid, kUnfinished } kind;
  size_t length;  // kInvalid: of the maximal part that U+FFFD stands for
};

// Table 3-7 of the Unicode Standard: the range of the second byte depends on
// the first; the maximal valid prefix is one replacement.
Sequence NextSequence(absl::string_view text) {
  const auto byte = [&](size_t i) {
    return static_cast<unsigned char>(text[i]);
  };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {Sequence::kValid, 1};
  size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {Sequence::kInvalid, 1};
  }
  for (size_t i = 1; i < length; ++i) {
    if (i >= text.size()) return {Sequence::kUnfinished, text.size()};
    if (byte(i) < low || byte(i) > high) return {Sequence::kInvalid, i};
    low = 0x80;
    high = 0xBF;
  }
  return {Sequence::kValid, length};
}

}  // namespace

std::string Utf8Stream::Push(absl::string_view bytes) {
  std::string text = std::exchange(pending_, {});
  text.append(bytes.data(), bytes.size());
  std::string out;
  absl::string_view rest = text;
  while (!rest.empty()) {
    const Sequence next = NextSequence(rest);
    if (next.kind == Sequence::kUnfinished) {
      pending_ = std::string(rest);
      break;
    }
    if (next.kind == Sequence::kValid) {
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
