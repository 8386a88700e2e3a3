#include "base/utf8.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace cooper::base {

Utf8Sequence NextUtf8(absl::string_view text) {
  const auto byte = [&](size_t i) {
    return static_cast<unsigned char>(text[i]);
  };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {Utf8Sequence::kValid, 1, lead};
  size_t length = 0;
  // The range of the second byte depends on the first.
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
    return {Utf8Sequence::kInvalid, 1};
  }
  uint32_t code = lead & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if (i >= text.size()) return {Utf8Sequence::kUnfinished, text.size()};
    if (byte(i) < low || byte(i) > high) return {Utf8Sequence::kInvalid, i};
    code = code << 6 | (byte(i) & 0x3Fu);
    low = 0x80;
    high = 0xBF;
  }
  return {Utf8Sequence::kValid, length, code};
}

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const Utf8Sequence next = NextUtf8(text);
    if (next.kind != Utf8Sequence::kValid) return false;
    text.remove_prefix(next.length);
  }
  return true;
}

bool IsControl(uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0);
}

bool IsBlank(absl::string_view text) {
  // First and last of each range: Unicode's White_Space, fillers, and what
  // Default_Ignorable_Code_Point holds outside of the tags.
  constexpr std::pair<uint32_t, uint32_t> kBlank[] = {
      {0x20, 0x20},     {0xA0, 0xA0},     {0xAD, 0xAD},     {0x34F, 0x34F},
      {0x61C, 0x61C},   {0x115F, 0x1160}, {0x1680, 0x1680}, {0x17B4, 0x17B5},
      {0x180B, 0x180F}, {0x2000, 0x200F}, {0x2028, 0x202F}, {0x205F, 0x206F},
      {0x2800, 0x2800}, {0x3000, 0x3000}, {0x3164, 0x3164}, {0xFE00, 0xFE0F},
      {0xFEFF, 0xFEFF}, {0xFFA0, 0xFFA0}};
  while (!text.empty()) {
    const Utf8Sequence next = NextUtf8(text);
    if (next.kind != Utf8Sequence::kValid) return false;
    if (!IsControl(next.code) &&
        std::none_of(
            std::begin(kBlank), std::end(kBlank), [&](const auto& range) {
              return range.first <= next.code && next.code <= range.second;
            })) {
      return false;
    }
    text.remove_prefix(next.length);
  }
  return true;
}

}  // namespace cooper::base
