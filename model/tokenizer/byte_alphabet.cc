#include "model/tokenizer/byte_alphabet.h"

#include <array>
#include <cstdint>

namespace cooper::tokenizer {
namespace {

constexpr int kCharacters = 256 + 68;  // code points in use end below

struct Tables {
  std::array<int, 256> character;       // by byte
  std::array<int, kCharacters> byte{};  // by code point; -1: none
};

constexpr bool StandsForItself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) ||
         byte >= 0xAE;
}

constexpr Tables MakeTables() {
  Tables tables{};
  for (int& byte : tables.byte) byte = -1;
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const int character = StandsForItself(byte) ? byte : next++;
    tables.character[byte] = character;
    tables.byte[character] = byte;
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

std::optional<std::string> BytesOfSpelling(absl::string_view spelling) {
  std::string bytes;
  for (size_t i = 0; i < spelling.size(); ++i) {
    // All characters in use have one or two bytes of UTF-8.
    int character = static_cast<unsigned char>(spelling[i]);
    if (character >= 0x80) {
      if ((character & 0xE0) != 0xC0 || i + 1 == spelling.size()) {
        return std::nullopt;
      }
      const int second = static_cast<unsigned char>(spelling[++i]);
      if ((second & 0xC0) != 0x80) return std::nullopt;
      character = (character & 0x1F) << 6 | (second & 0x3F);
    }
    if (character >= kCharacters || kTables.byte[character] < 0) {
      return std::nullopt;
    }
    bytes += static_cast<char>(kTables.byte[character]);
  }
  return bytes;
}

std::string SpellingOfByte(unsigned char byte) {
  const int character = kTables.character[byte];
  if (character < 0x80) return std::string(1, static_cast<char>(character));
  return {static_cast<char>(0xC0 | character >> 6),
          static_cast<char>(0x80 | (character & 0x3F))};
}

}  // namespace cooper::tokenizer
