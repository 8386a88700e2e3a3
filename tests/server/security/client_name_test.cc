#include "server/security/client_name.h"

#include <gtest/gtest.h>

#include <string>

namespace cooper::security {
namespace {

TEST(ClientNameTest, TheBestProofOfIdentityCounts) {
  const struct {
    CallerFacts facts;
    std::string name;
  } kCases[] = {
      {{"", "", "ipv4:10.0.0.7:51234"}, "ipv4:10.0.0.7"},
      {{"", "", "ipv6:%5B2001:db8::1%5D:443"}, "ipv6:%5B2001:db8::1%5D"},
      {{"", "", "unix:/run/cooper:1"}, "unix:/run/cooper:1"},
      {{"", "robot", "ipv4:10.0.0.7:51234"}, "tls:robot"},
      {{"", "", ""}, ""},
  };
  for (const auto& c : kCases) EXPECT_EQ(ClientName(c.facts), c.name);
}

TEST(ClientNameTest, ATokenIsNamedByItsDigest) {
  const std::string name =
      ClientName({"secret", "robot", "ipv4:10.0.0.7:51234"});
  // sha256sum of "secret".
  EXPECT_EQ(name,
            "token:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527"
            "a25b");
  EXPECT_EQ(ClientName({"secret", "", "ipv4:10.0.0.8:1"}), name);
  EXPECT_NE(ClientName({"other", "", "ipv4:10.0.0.8:1"}), name);
}

}  // namespace
}  // namespace cooper::security
