#include "model/tokenizer/byte_alphabet.h"

#include <gtest/gtest.h>

#include <set>

namespace cooper::tokenizer {
namespace {

TEST(ByteAlphabet, SpellsEveryByteByItsOwnCharacter) {
  std::set<std::string> spellings;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string spelling =
        SpellingOfByte(static_cast<unsigned char>(byte));
    EXPECT_TRUE(spellings.insert(spelling).second) << byte;
    EXPECT_EQ(BytesOfSpelling(spelling),
              std::string(1, static_cast<char>(byte)));
  }
}

TEST(ByteAlphabet, IsGpt2s) {
  EXPECT_EQ(SpellingOfByte('A'), "A");
  EXPECT_EQ(SpellingOfByte(' '), "\u0120");
  EXPECT_EQ(SpellingOfByte('\n'), "\u010A");
  EXPECT_EQ(SpellingOfByte(0x00), "\u0100");
  EXPECT_EQ(SpellingOfByte(0x7F), "\u0121");
  EXPECT_EQ(SpellingOfByte(0xA0), "\u0142");
  EXPECT_EQ(SpellingOfByte(0xAD), "\u0143");
  EXPECT_EQ(SpellingOfByte(0xFF), "\u00FF");
  EXPECT_EQ(BytesOfSpelling("\u0120the"), " the");
}

TEST(ByteAlphabet, RefusesOtherCharacters) {
  for (const char* spelling :
       {" ", "a b", "\u00A0", "\u0144", "\u4E2D", "\xC4", "\xC4x", "\xFF"}) {
    EXPECT_EQ(BytesOfSpelling(spelling), std::nullopt) << spelling;
  }
}

}  // namespace
}  // namespace cooper::tokenizer
