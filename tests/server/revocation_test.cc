// Certificates of callers that are revoked, over TLS.
#include <gmock/gmock.h>
#include <grpc/grpc_security.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/logging.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "inference/grpc_service.grpc.pb.h"
#include "tests/server/security/test_certificates.h"
#include "tests/server/test_server.h"

namespace cooper::rpc {
namespace {

using cooper::testing::ErrorInfoOf;
using cooper::testing::IdentityBreaches;
using cooper::testing::MakeCertificate;
using cooper::testing::MakeCrl;
using cooper::testing::MakeIntermediate;
using cooper::testing::MountedSecret;
using cooper::testing::TestCertificate;
using cooper::testing::TestServer;
using ::testing::IsEmpty;

// A caller with a certificate, on one connection.
class TlsCaller {
 public:
  TlsCaller(TestServer* server, const TestCertificate& trusted,
            const TestCertificate& own, grpc::ChannelArguments arguments = {}) {
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channel_ = grpc::CreateCustomChannel(
        absl::StrCat("127.0.0.1:", server->server().address().port),
        grpc::SslCredentials({trusted.cert, own.key, own.cert}), arguments);
  }

  grpc::Status GetModel() {
    grpc::ClientContext context;
    v1::GetModelResponse response;
    return v1::SpatialReasoningService::NewStub(channel_)->GetModel(
        &context, {}, &response);
  }
  grpc::Status Reason() {
    return cooper::testing::Ask(
               v1::SpatialReasoningService::NewStub(channel_).get(),
               cooper::testing::Question("?"))
        .status;
  }
  grpc::Status ServerLive() {
    grpc::ClientContext context;
    inference::ServerLiveResponse response;
    return inference::GRPCInferenceService::NewStub(channel_)->ServerLive(
        &context, {}, &response);
  }
  grpc::Status Health() {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckResponse response;
    return grpc::health::v1::Health::NewStub(channel_)->Check(&context, {},
                                                              &response);
  }

 private:
  std::shared_ptr<grpc::Channel> channel_;
};

void Await(const std::function<bool()>& done) {
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  while (!done()) ASSERT_LT(absl::Now(), give_up);
}

class RevocationTest : public ::testing::Test {
 protected:
  static TestServer::Options OptionsOf(const MountedSecret& secret) {
    TestServer::Options options;
    options.rpc.tls = secret.files_with_crl();
    options.rpc.tls_refresh = absl::Milliseconds(5);
    return options;
  }

  const TestCertificate own_ = MakeCertificate("own");
  const TestCertificate authority_ = MakeCertificate("authority");
  const TestCertificate robot_ = MakeCertificate("robot", &authority_);
  const TestCertificate lost_ = MakeCertificate("lost robot", &authority_);
  const security::PemTexts texts_ = {own_.cert, own_.key, authority_.cert};
  MountedSecret secret_{texts_, MakeCrl(authority_, {})};
};

TEST_F(RevocationTest, ARevokedCallerIsRefusedOnItsOpenConnection) {
  TestServer server(OptionsOf(secret_));
  TlsCaller robot(&server, own_, robot_);
  TlsCaller lost(&server, own_, lost_);
  EXPECT_TRUE(robot.GetModel().ok());
  EXPECT_TRUE(lost.GetModel().ok());
  secret_.Exchange(texts_, MakeCrl(authority_, {lost_}));
  Await([&] { return !lost.GetModel().ok(); });
  for (const grpc::Status& status :
       {lost.GetModel(), lost.Reason(), lost.ServerLive(),
        TlsCaller(&server, own_, lost_).GetModel()}) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(ErrorInfoOf(status).reason(), "UNAUTHENTICATED");
    EXPECT_EQ(status.error_message(), "the caller's certificate is revoked");
  }
  EXPECT_TRUE(lost.Health().ok());
  EXPECT_TRUE(robot.GetModel().ok());
  EXPECT_TRUE(robot.Reason().ok());
  EXPECT_TRUE(robot.ServerLive().ok());
  EXPECT_EQ(server.CollectAtRest().Sum("cooper_rejections_total",
                                       {{"reason", "unauthenticated"}}),
            5);
  EXPECT_THAT(IdentityBreaches(server.CollectAtRest()), IsEmpty());
  secret_.Exchange(texts_, MakeCrl(authority_, {}));
  Await([&] { return lost.GetModel().ok(); });
}

TEST_F(RevocationTest, ABrokenListChangesNothing) {
  secret_.Exchange(texts_, MakeCrl(authority_, {lost_}));
  TestServer server(OptionsOf(secret_));
  for (const std::string& broken :
       {std::string("no PEM"), MakeCrl(own_, {robot_})}) {
    const int64_t before = base::LinesLogged(base::LogLevel::kWarning);
    secret_.Exchange(texts_, broken);
    Await([&] { return base::LinesLogged(base::LogLevel::kWarning) > before; });
    EXPECT_FALSE(TlsCaller(&server, own_, lost_).GetModel().ok());
    EXPECT_TRUE(TlsCaller(&server, own_, robot_).GetModel().ok());
  }
}

TEST_F(RevocationTest, ANewAuthorityAndItsListAreTakenTogether) {
  TestServer server(OptionsOf(secret_));
  const TestCertificate authority = MakeCertificate("new authority");
  const TestCertificate robot = MakeCertificate("robot", &authority);
  const TestCertificate lost = MakeCertificate("lost robot", &authority);
  secret_.Exchange({own_.cert, own_.key, authority.cert},
                   MakeCrl(authority, {lost}));
  Await([&] { return TlsCaller(&server, own_, robot).GetModel().ok(); });
  Await([&] {
    return TlsCaller(&server, own_, lost).GetModel().error_code() ==
           grpc::StatusCode::UNAUTHENTICATED;
  });
}

TEST_F(RevocationTest, CallersOfARevokedIntermediateAreRefused) {
  const TestCertificate good = MakeIntermediate("good", authority_);
  const TestCertificate bad = MakeIntermediate("bad", authority_);
  TestCertificate of_good = MakeCertificate("robot", &good);
  TestCertificate of_bad = MakeCertificate("robot", &bad);
  of_good.cert += good.cert;
  of_bad.cert += bad.cert;
  secret_.Exchange(texts_, MakeCrl(authority_, {bad}));
  TestServer server(OptionsOf(secret_));
  EXPECT_TRUE(TlsCaller(&server, own_, of_good).GetModel().ok());
  EXPECT_EQ(TlsCaller(&server, own_, of_bad).GetModel().error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
}

// It carries no chain: a revoked intermediate would go unseen.
TEST_F(RevocationTest, AResumedSessionIsServedOnlyIfItsIssuerIsAtHand) {
  const TestCertificate middle = MakeIntermediate("middle", authority_);
  TestCertificate caller = MakeCertificate("robot", &middle);
  caller.cert += middle.cert;
  for (const bool at_hand : {false, true}) {
    secret_.Exchange(
        {own_.cert, own_.key, authority_.cert + (at_hand ? middle.cert : "")},
        MakeCrl(authority_, {}));
    TestServer server(OptionsOf(secret_));
    grpc_ssl_session_cache* const sessions =
        grpc_ssl_session_cache_create_lru(1);
    const grpc_arg keep = grpc_ssl_session_cache_create_channel_arg(sessions);
    grpc::ChannelArguments arguments;
    arguments.SetPointerWithVtable(keep.key, keep.value.pointer.p,
                                   keep.value.pointer.vtable);
    EXPECT_TRUE(TlsCaller(&server, own_, caller, arguments).GetModel().ok());
    EXPECT_EQ(
        TlsCaller(&server, own_, caller, arguments).GetModel().error_message(),
        at_hand ? "" : "the caller's certificate chain is not known");
    grpc_ssl_session_cache_destroy(sessions);
  }
}

}  // namespace
}  // namespace cooper::rpc
