#include "client/text.h"

#include <cstddef>
#include <cstdint>

namespace cooper::client {
namespace {

// Length of the well-formed character that `bytes` (not empty) starts with,
// and its code point; 0 if it starts with none.
size_t DecodeOne(absl::string_view bytes, uint32_t* code_point) {
  const auto byte = [&](size_t i) -> uint32_t {
    return static_cast<unsigned char>(bytes[i]);
  };
  const uint32_t lead = byte(0);
  if (lead < 0x80) {
    *code_point = lead;
    return 1;
  }
  size_t length = 0;
  uint32_t smallest = 0;
  if ((lead & 0xE0) == 0xC0) {
    length = 2, smallest = 0x80, *code_point = lead & 0x1F;
  } else if ((lead & 0xF0) == 0xE0) {
    length = 3, smallest = 0x800, *code_point = lead & 0x0F;
  } else if ((lead & 0xF8) == 0xF0) {
    length = 4, smallest = 0x10000, *code_point = lead & 0x07;
  }
  if (length == 0 || bytes.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    *code_point = *code_point << 6 | (byte(i) & 0x3F);
  }
  const bool surrogate = *code_point >= 0xD800 && *code_point <= 0xDFFF;
  if (*code_point < smallest || *code_point > 0x10FFFF || surrogate) return 0;
  return length;
}

bool IsControl(uint32_t code_point) {
  return (code_point < 0x20 && code_point != '\t' && code_point != '\n') ||
         (code_point >= 0x7F && code_point <= 0x9F);
}

}  // namespace

bool IsUtf8(absl::string_view bytes) {
  uint32_t code_point = 0;
  while (!bytes.empty()) {
    const size_t length = DecodeOne(bytes, &code_point);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

std::string Printable(absl::string_view text) {
  std::string printable;
  printable.reserve(text.size());
  while (!text.empty()) {
    uint32_t code_point = 0;
    const size_t length = DecodeOne(text, &code_point);
    if (length == 0 || IsControl(code_point)) {
      printable += "\xEF\xBF\xBD";
    } else {
      printable.append(text.data(), length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return printable;
}

}  // namespace cooper::client
