#include "base/digest.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"

namespace cooper::base {
namespace {

std::string Hex(const Digest& digest) {
  return absl::BytesToHexString(absl::string_view(
      reinterpret_cast<const char*>(digest.data()), digest.size()));
}

// FIPS 180-2, appendix B.
TEST(DigestTest, IsSha256) {
  EXPECT_EQ(Hex(Hasher().Add("abc").Finish()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(DigestTest, TakesItsInputInParts) {
  EXPECT_EQ(Hasher().Add("ab").Add("c").Finish(), Hasher().Add("abc").Finish());
  EXPECT_NE(Hasher().AddInteger(1).Finish(), Hasher().AddInteger(2).Finish());
}

}  // namespace
}  // namespace cooper::base
