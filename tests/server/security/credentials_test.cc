// Certificates of a running listener are exchanged, by files and by Refresh.
#include "server/security/credentials.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/logging.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/server/security/test_certificates.h"
#include "tests/testing/status_matchers.h"

namespace cooper::security {
namespace {

using cooper::testing::MakeCertificate;
using cooper::testing::MountedSecret;
using cooper::testing::StatusIs;
using cooper::testing::TestCertificate;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

int64_t Warnings() { return base::LinesLogged(base::LogLevel::kWarning); }

class CredentialsTest : public ::testing::Test {
 protected:
  CredentialsTest() : secret_({old_.cert, old_.key, old_callers_.cert}) {}

  void Start(const TlsFiles& files) {
    ASSERT_OK_AND_ASSIGN(credentials_, Credentials::Open(files));
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", credentials_->ForListener(),
                             &port_);
    builder.RegisterCallbackGenericService(&others_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    ASSERT_GT(port_, 0);
  }

  // A new connection that believes `trusted` and says who it is.
  std::shared_ptr<grpc::Channel> Connect(const TestCertificate& trusted,
                                         const TestCertificate& own = {}) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(
        absl::StrCat("127.0.0.1:", port_),
        grpc::SslCredentials({trusted.cert, own.key, own.cert}), arguments);
  }

  static bool Served(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckResponse response;
    return grpc::health::v1::Health::NewStub(channel)
        ->Check(&context, {}, &response)
        .ok();
  }

  const TestCertificate old_ = MakeCertificate("old");
  const TestCertificate new_ =
      MakeCertificate("new", nullptr, absl::FromUnixSeconds(4100000000));
  const TestCertificate old_callers_ = MakeCertificate("old callers");
  const TestCertificate new_callers_ = MakeCertificate("new callers");
  MountedSecret secret_;
  std::unique_ptr<Credentials> credentials_;
  int port_ = 0;
  // gRPC starts no server that has nothing but its own health service.
  grpc::CallbackGenericService others_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(CredentialsTest, ARenewedCertificateIsServedToNewConnections) {
  Start(secret_.files_of_server());
  const auto before = Connect(old_);
  EXPECT_TRUE(Served(before));
  EXPECT_FALSE(Served(Connect(new_)));
  secret_.Exchange({new_.cert, new_.key, ""});
  EXPECT_TRUE(Served(Connect(old_)));  // nobody has looked yet
  credentials_->Refresh();
  EXPECT_TRUE(Served(Connect(new_)));
  EXPECT_FALSE(Served(Connect(old_)));
  EXPECT_TRUE(Served(before));
  EXPECT_EQ(credentials_->expiry(), absl::FromUnixSeconds(4100000000));
}

TEST_F(CredentialsTest, ABrokenRenewalKeepsTheOldCertificate) {
  Start(secret_.files_of_server());
  for (const PemTexts& broken :
       {PemTexts{new_.cert, old_.key, ""}, PemTexts{"no PEM", new_.key, ""},
        PemTexts{"", new_.key, ""}}) {
    secret_.Exchange(broken);
    credentials_->Refresh();
    EXPECT_TRUE(Served(Connect(old_)));
    EXPECT_FALSE(Served(Connect(new_)));
    EXPECT_EQ(credentials_->expiry(), absl::FromUnixSeconds(4000000000));
  }
  secret_.Exchange({new_.cert, new_.key, ""});
  credentials_->Refresh();
  EXPECT_TRUE(Served(Connect(new_)));
}

TEST_F(CredentialsTest, ABrokenRenewalIsWarnedOfOnceAChange) {
  ASSERT_OK_AND_ASSIGN(credentials_,
                       Credentials::Open(secret_.files_of_server()));
  const int64_t before = Warnings();
  credentials_->Refresh();
  EXPECT_EQ(Warnings(), before);
  secret_.Exchange({new_.cert, old_.key, ""});
  ::testing::internal::CaptureStderr();
  credentials_->Refresh();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("warning kept the old certificate"),
                    HasSubstr("tls_key: "), HasSubstr("/tls.key: is not"),
                    Not(HasSubstr("PRIVATE KEY"))));
  credentials_->Refresh();
  EXPECT_EQ(Warnings(), before + 1);
  secret_.Exchange({"", new_.key, ""});
  credentials_->Refresh();
  credentials_->Refresh();
  EXPECT_EQ(Warnings(), before + 2);
  // Mended, and broken the same way again.
  secret_.Exchange({old_.cert, old_.key, ""});
  credentials_->Refresh();
  EXPECT_EQ(Warnings(), before + 2);
  secret_.Exchange({"", new_.key, ""});
  credentials_->Refresh();
  EXPECT_EQ(Warnings(), before + 3);
}

TEST_F(CredentialsTest, ARenewedAuthorityOfCallersHolds) {
  const TestCertificate old_caller = MakeCertificate("robot", &old_callers_);
  const TestCertificate new_caller = MakeCertificate("robot", &new_callers_);
  Start(secret_.files());
  EXPECT_TRUE(Served(Connect(old_, old_caller)));
  EXPECT_FALSE(Served(Connect(old_, new_caller)));
  EXPECT_FALSE(Served(Connect(old_)));
  secret_.Exchange({old_.cert, old_.key, new_callers_.cert});
  credentials_->Refresh();
  EXPECT_TRUE(Served(Connect(old_, new_caller)));
  EXPECT_FALSE(Served(Connect(old_, old_caller)));
  EXPECT_FALSE(Served(Connect(old_)));
}

TEST_F(CredentialsTest, BothAuthoritiesHoldDuringAnExchange) {
  const TestCertificate old_caller = MakeCertificate("robot", &old_callers_);
  const TestCertificate new_caller = MakeCertificate("robot", &new_callers_);
  Start(secret_.files());
  secret_.Exchange(
      {old_.cert, old_.key, old_callers_.cert + new_callers_.cert});
  credentials_->Refresh();
  EXPECT_TRUE(Served(Connect(old_, old_caller)));
  EXPECT_TRUE(Served(Connect(old_, new_caller)));
}

TEST_F(CredentialsTest, ABrokenAuthorityNeverLetsStrangersIn) {
  const TestCertificate caller = MakeCertificate("robot", &old_callers_);
  Start(secret_.files());
  for (const char* broken : {"", "no PEM"}) {
    secret_.Exchange({new_.cert, new_.key, broken});
    credentials_->Refresh();
    EXPECT_TRUE(Served(Connect(old_, caller)));
    EXPECT_FALSE(Served(Connect(old_)));
    EXPECT_FALSE(Served(Connect(new_)));
  }
}

TEST_F(CredentialsTest, AnExpiredCallerIsRefused) {
  Start(secret_.files());
  EXPECT_TRUE(Served(Connect(old_, MakeCertificate("robot", &old_callers_))));
  EXPECT_FALSE(Served(
      Connect(old_, MakeCertificate("robot", &old_callers_,
                                    absl::FromUnixSeconds(1500000000)))));
}

TEST_F(CredentialsTest, WhatIsNotFitForUseCannotBeOpened) {
  secret_.Exchange({new_.cert, old_.key, ""});
  EXPECT_THAT(Credentials::Open(secret_.files_of_server()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("tls_key: "), HasSubstr("/tls.key"))));
  EXPECT_THAT(Credentials::Open(secret_.files()),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("tls_client_ca: "),
                             HasSubstr("/ca.crt: cannot be read"))));
}

}  // namespace
}  // namespace cooper::security
