#include "server/security/crl_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/logging.h"
#include "tests/server/security/test_certificates.h"
#include "tests/testing/status_matchers.h"

namespace cooper::security {
namespace {

using cooper::testing::MakeCertificate;
using cooper::testing::MakeCrl;
using cooper::testing::MakeIntermediate;
using cooper::testing::MountedSecret;
using cooper::testing::StatusIs;
using cooper::testing::TestCertificate;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr absl::Time kNow = absl::FromUnixSeconds(3000000000);

int64_t Warnings() { return base::LinesLogged(base::LogLevel::kWarning); }

auto IsRevoked() {
  return StatusIs(absl::StatusCode::kUnauthenticated,
                  "the caller's certificate is revoked");
}

class CrlFileTest : public ::testing::Test {
 protected:
  // Opens a file with these lists, for callers of `client_ca`.
  absl::Status Open(const std::string& crl, const std::string& client_ca) {
    Write(crl);
    client_ca_ = client_ca;
    auto file = CrlFile::Open(secret_.files_with_crl(), client_ca, kNow);
    if (!file.ok()) return file.status();
    file_ = *std::move(file);
    return absl::OkStatus();
  }

  void Write(const std::string& crl) { secret_.Exchange({}, crl); }
  void Renew(const std::string& crl) {
    Write(crl);
    file_->Refresh(client_ca_, kNow);
  }

  absl::Status Check(const TestCertificate& caller,
                     const std::string& chain = "") {
    return file_->Check(caller.cert, chain);
  }

  const TestCertificate authority_ = MakeCertificate("authority");
  const TestCertificate other_authority_ = MakeCertificate("other authority");
  const TestCertificate robot_ = MakeCertificate("robot", &authority_);
  const TestCertificate lost_ = MakeCertificate("lost robot", &authority_);
  MountedSecret secret_{{}};
  std::string client_ca_;
  std::unique_ptr<CrlFile> file_;
};

TEST_F(CrlFileTest, OnlyWhatIsListedIsRevoked) {
  ASSERT_OK(Open(MakeCrl(authority_, {lost_}), authority_.cert));
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(Check(lost_), IsRevoked());
    EXPECT_OK(Check(robot_));
  }
}

TEST_F(CrlFileTest, AListRevokesNothingOfAnotherAuthority) {
  ASSERT_OK(Open(MakeCrl(other_authority_, {lost_}),
                 authority_.cert + other_authority_.cert));
  EXPECT_OK(Check(lost_));
}

TEST_F(CrlFileTest, EveryListOfTheFileCounts) {
  const TestCertificate other = MakeCertificate("other", &other_authority_);
  ASSERT_OK(Open(MakeCrl(other_authority_, {other}) +
                     MakeCrl(authority_, {robot_}) +
                     MakeCrl(authority_, {lost_}),
                 authority_.cert + other_authority_.cert));
  EXPECT_THAT(Check(other), IsRevoked());
  EXPECT_THAT(Check(robot_), IsRevoked());
  EXPECT_THAT(Check(lost_), IsRevoked());
}

TEST_F(CrlFileTest, EveryCertificateThatIsPresentedIsLookedUp) {
  const TestCertificate middle = MakeIntermediate("middle", authority_);
  const TestCertificate low = MakeIntermediate("low", middle);
  const TestCertificate caller = MakeCertificate("caller", &low);
  ASSERT_OK(Open(MakeCrl(authority_, {middle}), authority_.cert));
  EXPECT_THAT(Check(caller, low.cert + middle.cert), IsRevoked());
  Renew(MakeCrl(authority_, {}));
  EXPECT_OK(Check(caller, low.cert + middle.cert));
}

TEST_F(CrlFileTest, AnIntermediateOfTheAuthoritiesFileHasAListToo) {
  const TestCertificate middle = MakeIntermediate("middle", authority_);
  const TestCertificate caller = MakeCertificate("caller", &middle);
  const TestCertificate lost = MakeCertificate("lost", &middle);
  ASSERT_OK(Open(MakeCrl(authority_, {}) + MakeCrl(middle, {lost}),
                 authority_.cert + middle.cert));
  EXPECT_THAT(Check(lost), IsRevoked());
  EXPECT_THAT(Check(lost, middle.cert), IsRevoked());
  EXPECT_OK(Check(caller));
}

TEST_F(CrlFileTest, WhatARevokedAuthorityHasIssuedIsRevoked) {
  const TestCertificate middle = MakeIntermediate("middle", authority_);
  const TestCertificate low = MakeIntermediate("low", middle);
  const TestCertificate caller = MakeCertificate("caller", &low);
  ASSERT_OK(Open(MakeCrl(authority_, {middle}),
                 low.cert + middle.cert + authority_.cert));
  EXPECT_THAT(Check(caller), IsRevoked());
  EXPECT_OK(Check(robot_));
}

// So it is in a resumed session: gRPC then knows the caller's own certificate
// only.
TEST_F(CrlFileTest, ACallerWhoseChainIsNotKnownIsRefused) {
  const TestCertificate middle = MakeIntermediate("middle", authority_);
  const TestCertificate caller = MakeCertificate("caller", &middle);
  ASSERT_OK(Open(MakeCrl(authority_, {}), authority_.cert));
  EXPECT_OK(Check(caller, middle.cert));
  EXPECT_THAT(Check(caller), StatusIs(absl::StatusCode::kUnauthenticated,
                                      HasSubstr("chain is not known")));
  ASSERT_OK(Open(MakeCrl(authority_, {}), authority_.cert + middle.cert));
  EXPECT_OK(Check(caller));
  // An authority is its own end; so is a caller's that is listed itself.
  EXPECT_OK(Check(authority_));
  ASSERT_OK(Open(MakeCrl(authority_, {}), authority_.cert + caller.cert));
  EXPECT_OK(Check(caller));
}

TEST_F(CrlFileTest, WhatIsNoCertificateIsRefused) {
  ASSERT_OK(Open(MakeCrl(authority_, {}), authority_.cert));
  for (const char* text : {"", "no PEM"}) {
    EXPECT_THAT(file_->Check(text, ""),
                StatusIs(absl::StatusCode::kUnauthenticated,
                         HasSubstr("cannot be read")));
  }
}

TEST_F(CrlFileTest, ARenewedListHoldsAtOnceForThoseSeenBefore) {
  ASSERT_OK(Open(MakeCrl(authority_, {}), authority_.cert));
  EXPECT_OK(Check(lost_));
  Write(MakeCrl(authority_, {lost_}));
  EXPECT_OK(Check(lost_));  // nobody has looked yet
  file_->Refresh(client_ca_, kNow);
  EXPECT_THAT(Check(lost_), IsRevoked());
  Renew(MakeCrl(authority_, {robot_}));
  EXPECT_OK(Check(lost_));
  EXPECT_THAT(Check(robot_), IsRevoked());
}

TEST_F(CrlFileTest, EveryFaultIsNamedWithFlagAndFile) {
  const auto named = [](absl::StatusCode code, const std::string& what) {
    return StatusIs(code, AllOf(StartsWith("tls_crl: "), HasSubstr("/ca.crl: "),
                                HasSubstr(what)));
  };
  const auto invalid = absl::StatusCode::kInvalidArgument;
  const std::string good = MakeCrl(authority_, {lost_});
  EXPECT_THAT(Open("", authority_.cert),
              named(absl::StatusCode::kNotFound, "cannot be read"));
  EXPECT_THAT(Open("no PEM\n", authority_.cert),
              named(invalid, "has no PEM CRL"));
  EXPECT_THAT(Open(authority_.cert, authority_.cert),
              named(invalid, "has no PEM CRL"));
  EXPECT_THAT(Open(std::string((16 << 20) + 1, '\n'), authority_.cert),
              named(invalid, "larger than 16 MiB"));
  std::string damaged = good;
  damaged[damaged.size() / 2] = '!';
  EXPECT_THAT(Open(good + damaged, authority_.cert),
              named(invalid, "CRL 2 cannot be read"));
  EXPECT_THAT(Open(good + MakeCrl(other_authority_, {}), authority_.cert),
              named(invalid,
                    "CRL 2 is not signed by a certificate in "
                    "tls_client_ca: "));
  EXPECT_THAT(Open(MakeCrl(MakeCertificate("authority"), {}), authority_.cert),
              named(invalid, "CRL 1 is not signed"));  // of the same name
}

TEST_F(CrlFileTest, ABrokenListChangesNothingAndIsWarnedOfOnce) {
  ASSERT_OK(Open(MakeCrl(authority_, {lost_}), authority_.cert));
  const int64_t before = Warnings();
  Renew("");
  Renew("");
  EXPECT_EQ(Warnings(), before + 1);
  EXPECT_THAT(Check(lost_), IsRevoked());
  ::testing::internal::CaptureStderr();
  Renew(MakeCrl(other_authority_, {robot_}));
  file_->Refresh(client_ca_, kNow);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("warning kept the old revocation lists"),
                    HasSubstr("tls_crl: "), HasSubstr("is not signed")));
  EXPECT_EQ(Warnings(), before + 2);
  EXPECT_THAT(Check(lost_), IsRevoked());
  EXPECT_OK(Check(robot_));
  // Mended, and broken the same way again.
  const std::string good = MakeCrl(authority_, {robot_});
  int64_t warned = before + 2;
  for (const std::string& mended : {good, good, MakeCrl(authority_, {lost_})}) {
    Renew(mended);
    EXPECT_EQ(Warnings(), warned);
    Renew("");
    EXPECT_EQ(Warnings(), ++warned);
  }
}

TEST_F(CrlFileTest, AListIsHeldToTheAuthoritiesInForce) {
  ASSERT_OK(Open(MakeCrl(authority_, {lost_}), authority_.cert));
  const TestCertificate other = MakeCertificate("other", &other_authority_);
  const std::string lists =
      MakeCrl(authority_, {lost_}) + MakeCrl(other_authority_, {other});
  Renew(lists);
  EXPECT_OK(Check(robot_));
  client_ca_ = authority_.cert + other_authority_.cert;
  EXPECT_THAT(Check(other), Not(IsRevoked()));
  file_->Refresh(client_ca_, kNow);
  EXPECT_THAT(Check(other), IsRevoked());
  EXPECT_THAT(Check(lost_), IsRevoked());
}

TEST_F(CrlFileTest, ALateListStaysInForceAndIsWarnedOfOnce) {
  const int64_t before = Warnings();
  const absl::Time late = kNow - absl::Seconds(1);
  const std::string lists = MakeCrl(authority_, {lost_}, late);
  ::testing::internal::CaptureStderr();
  ASSERT_OK(Open(lists, authority_.cert));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("warning revocation lists are out of date"),
                    HasSubstr("/ca.crl")));
  file_->Refresh(client_ca_, kNow);
  EXPECT_EQ(Warnings(), before + 1);
  EXPECT_THAT(Check(lost_), IsRevoked());
  EXPECT_OK(Check(robot_));
}

TEST_F(CrlFileTest, ListsThatGetLateAreWarnedOfOneByOne) {
  const absl::Time first = kNow + absl::Hours(1);
  const absl::Time second = kNow + absl::Hours(2);
  ASSERT_OK(Open(
      MakeCrl(authority_, {}, second) + MakeCrl(authority_, {lost_}, first),
      authority_.cert));
  const int64_t before = Warnings();
  file_->Refresh(client_ca_, first - absl::Seconds(1));
  EXPECT_EQ(Warnings(), before);
  file_->Refresh(client_ca_, first);
  file_->Refresh(client_ca_, first + absl::Minutes(1));
  EXPECT_EQ(Warnings(), before + 1);
  file_->Refresh(client_ca_, second);
  EXPECT_EQ(Warnings(), before + 2);
  EXPECT_THAT(Check(lost_), IsRevoked());
}

}  // namespace
}  // namespace cooper::security
