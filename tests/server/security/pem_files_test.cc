#include "server/security/pem_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <string>

#include "tests/server/security/test_certificates.h"
#include "tests/testing/status_matchers.h"

namespace cooper::security {
namespace {

using cooper::testing::AsTrusted;
using cooper::testing::MakeCertificate;
using cooper::testing::MountedSecret;
using cooper::testing::StatusIs;
using cooper::testing::TestCertificate;
using cooper::testing::WithPassphrase;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// What is wrong with the files of a secret; OK: nothing.
absl::Status Check(const MountedSecret& secret) {
  const absl::StatusOr<PemTexts> texts = ReadPemFiles(secret.files());
  if (!texts.ok()) return texts.status();
  return CheckPemTexts(*texts, secret.files()).status();
}

class PemFilesTest : public ::testing::Test {
 protected:
  const TestCertificate authority_ = MakeCertificate("authority");
  const TestCertificate own_ = MakeCertificate("own", &authority_);
  const PemTexts whole_ = {own_.cert, own_.key, authority_.cert};
};

TEST_F(PemFilesTest, WholeFilesAreReadAsTheyAre) {
  const MountedSecret secret(whole_);
  ASSERT_OK_AND_ASSIGN(const PemTexts texts, ReadPemFiles(secret.files()));
  EXPECT_EQ(texts, whole_);
  EXPECT_OK(Check(secret));
  ASSERT_OK_AND_ASSIGN(const PemTexts without,
                       ReadPemFiles(secret.files_of_server()));
  EXPECT_EQ(without.client_ca, "");
  EXPECT_OK(CheckPemTexts(without, secret.files_of_server()));
}

TEST_F(PemFilesTest, EveryFaultIsNamedWithFlagAndFile) {
  const struct {
    const char* flag;
    const char* file;
    std::string PemTexts::* text;
  } kFiles[] = {{"tls_cert", "/tls.crt", &PemTexts::cert},
                {"tls_key", "/tls.key", &PemTexts::key},
                {"tls_client_ca", "/ca.crt", &PemTexts::client_ca}};
  for (const auto& file : kFiles) {
    SCOPED_TRACE(file.flag);
    const auto named = AllOf(StartsWith(std::string(file.flag) + ": "),
                             HasSubstr(std::string(file.file) + ": "));
    PemTexts texts = whole_;
    texts.*file.text = "";
    MountedSecret secret(texts);
    EXPECT_THAT(Check(secret),
                StatusIs(absl::StatusCode::kNotFound,
                         AllOf(named, HasSubstr("cannot be read"))));
    texts.*file.text = "no PEM\n";
    secret.Exchange(texts);
    EXPECT_THAT(Check(secret), StatusIs(absl::StatusCode::kInvalidArgument,
                                        AllOf(named, HasSubstr("has no PEM"))));
    texts.*file.text = std::string((1 << 20) + 1, '\n');
    secret.Exchange(texts);
    EXPECT_THAT(Check(secret),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(named, HasSubstr("larger than 1 MiB"))));
  }
}

// gRPC takes the first certificate in either form.
TEST_F(PemFilesTest, ATrustedCertificateCounts) {
  const TestCertificate trusted = AsTrusted(own_);
  EXPECT_OK(Check(MountedSecret({trusted.cert, own_.key, authority_.cert})));
  EXPECT_THAT(Check(MountedSecret({AsTrusted(authority_).cert + own_.cert,
                                   own_.key, authority_.cert})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("not the key of the certificate")));
  EXPECT_OK(
      Check(MountedSecret({own_.cert, own_.key, AsTrusted(authority_).cert})));
}

TEST_F(PemFilesTest, NoErrorIsLeftInTheQueueOfOpenSsl) {
  const std::string path =
      COOPER_SOURCE_DIR "/tests/fuzz/seeds/pem/malformed_extension";
  const TlsFiles files{path, path, "", ""};
  ASSERT_OK_AND_ASSIGN(const PemTexts texts, ReadPemFiles(files));
  EXPECT_OK(CheckPemTexts(texts, files));
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST_F(PemFilesTest, AnEmptyFileAndAFolderAreNamed) {
  EXPECT_THAT(ReadPemFiles({"/dev/null", "/dev/null", ""}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "tls_cert: /dev/null: is empty"));
  EXPECT_THAT(std::string(ReadPemFiles({"/", "/", ""}).status().message()),
              StartsWith("tls_cert: /: cannot be read"));
}

TEST_F(PemFilesTest, AKeyOfAnotherCertificateIsRefused) {
  const MountedSecret secret({own_.cert, authority_.key, authority_.cert});
  EXPECT_THAT(Check(secret),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(StartsWith("tls_key: "), HasSubstr("/tls.key: "),
                             HasSubstr("not the key of the certificate"),
                             HasSubstr("/tls.crt"))));
}

TEST_F(PemFilesTest, AKeyWithAPassphraseIsRefusedWithoutAsking) {
  const MountedSecret secret(
      {own_.cert, WithPassphrase(own_).key, authority_.cert});
  EXPECT_THAT(Check(secret), StatusIs(absl::StatusCode::kInvalidArgument,
                                      HasSubstr("without a passphrase")));
}

TEST_F(PemFilesTest, ADamagedCertificateWithinAChainIsCounted) {
  std::string damaged = authority_.cert;
  damaged[damaged.size() / 2] = '!';
  const MountedSecret secret({own_.cert + damaged, own_.key, authority_.cert});
  EXPECT_THAT(Check(secret),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("/tls.crt: certificate 2 cannot be read")));
}

TEST_F(PemFilesTest, ExpiryIsThatOfTheServersOwnCertificate) {
  const absl::Time expiry = absl::FromUnixSeconds(2222222222);
  const TestCertificate own = MakeCertificate("own", &authority_, expiry);
  const PemTexts texts = {own.cert + authority_.cert, own.key, ""};
  ASSERT_OK_AND_ASSIGN(const absl::Time found, CheckPemTexts(texts, {}));
  EXPECT_EQ(found, expiry);
}

TEST(TlsFilesTest, FilesThatNeedOthersAreRefusedAlone) {
  EXPECT_OK(TlsFiles{}.Validate());
  EXPECT_THAT(
      (TlsFiles{.cert = "c"}).Validate(),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tls_key")));
  EXPECT_THAT(
      (TlsFiles{.client_ca = "c"}).Validate(),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tls_client_ca")));
  EXPECT_THAT((TlsFiles{.cert = "c", .key = "k", .crl = "l.pem"}).Validate(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "tls_crl: l.pem: needs tls_client_ca"));
}

}  // namespace
}  // namespace cooper::security
