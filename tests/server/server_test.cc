// The listener itself: who may call, what else it serves, how it starts.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "absl/synchronization/blocking_counter.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/periodic.h"
#include "tests/server/security/test_certificates.h"
#include "tests/server/test_server.h"
#include "tests/testing/status_matchers.h"

namespace cooper::rpc {
namespace {

using cooper::testing::ErrorInfoOf;
using cooper::testing::IdentityBreaches;
using cooper::testing::MakeCertificate;
using cooper::testing::MountedSecret;
using cooper::testing::PeerName;
using cooper::testing::StatusIs;
using cooper::testing::TestCertificate;
using cooper::testing::TestServer;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

grpc::Status GetModel(TestServer* server,
                      const std::vector<std::string>& authorization) {
  grpc::ClientContext context;
  for (const std::string& value : authorization) {
    context.AddMetadata("authorization", value);
  }
  v1::GetModelResponse response;
  return server->NewStub()->GetModel(&context, v1::GetModelRequest(),
                                     &response);
}

// As it says it of bytes that are not UTF-8.
TEST(ServerTest, WhatLibprotobufSaysIsALineOfTheLog) {
  const TestServer server;
  ::testing::internal::CaptureStderr();
  v1::GetModelRequest request;
  EXPECT_FALSE(request.ParseFromString("\x0a\x01\xff"));
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, ContainsRegex("^[0-9T:.-]+Z info protobuf text="));
  EXPECT_THAT(said, HasSubstr("cooper.v1.GetModelRequest.model"));
  EXPECT_THAT(said, Not(HasSubstr("[libprotobuf")));
}

TEST(ServerTest, OnlyCallersWithATokenAreServed) {
  TestServer::Options options;
  options.rpc.auth_token_file =
      ::testing::TempDir() + "/server-token-" + std::to_string(getpid());
  std::ofstream(options.rpc.auth_token_file) << "secret\n";
  TestServer server(options);
  EXPECT_TRUE(GetModel(&server, {"Bearer secret"}).ok());
  for (const std::vector<std::string>& headers :
       std::vector<std::vector<std::string>>{
           {},
           {"Bearer wrong"},
           {"Basic secret"},
           {"Bearer secret", "Bearer secret"}}) {
    const grpc::Status status = GetModel(&server, headers);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(ErrorInfoOf(status).reason(), "UNAUTHENTICATED");
    EXPECT_THAT(status.error_message(), Not(HasSubstr("wrong")));
  }
  grpc::ClientContext context;
  const auto reader =
      server.NewStub()->Reason(&context, cooper::testing::Question("?"));
  v1::Event event;
  EXPECT_FALSE(reader->Read(&event));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(server.HealthOf("readiness"), "SERVING");
  EXPECT_EQ(server.CollectAtRest().Sum("cooper_rejections_total",
                                       {{"reason", "unauthenticated"}}),
            5);
  EXPECT_THAT(IdentityBreaches(server.CollectAtRest()), IsEmpty());
}

TEST(ServerTest, ReflectionIsServedOnlyOnRequest) {
  const std::string method =
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  TestServer::Options options;
  options.rpc.reflection = true;
  TestServer with(options);
  EXPECT_NE(with.CallMethod(method), grpc::StatusCode::UNIMPLEMENTED);
  TestServer without;
  EXPECT_EQ(without.CallMethod(method), grpc::StatusCode::UNIMPLEMENTED);
}

TEST(ServerTest, PortInUseIsAnErrorThatNamesIt) {
  TestServer first;
  ServerOptions options;
  options.listen = first.server().address();
  prometheus::Registry registry;
  metrics::ServerMetrics metrics(&registry);
  ServingState serving_state;
  const auto second = Server::Start(options, &serving_state, &metrics,
                                    base::Clock::Real(), nullptr);
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kUnavailable,
                               HasSubstr(first.server().address().ToString())));
}

TEST(ServerTest, UnreadableFilesAreErrorsThatNameThem) {
  prometheus::Registry registry;
  metrics::ServerMetrics metrics(&registry);
  ServingState serving_state;
  ServerOptions options;
  options.listen = {"127.0.0.1", 0};
  options.auth_token_file = "/nowhere/token";
  EXPECT_THAT(
      Server::Start(options, &serving_state, &metrics, base::Clock::Real(),
                    nullptr),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nowhere/token")));
  options.auth_token_file = "";
  const TestCertificate own = MakeCertificate("own");
  const MountedSecret without_crl({own.cert, own.key, own.cert});
  options.tls = without_crl.files_with_crl();
  EXPECT_THAT(Server::Start(options, &serving_state, &metrics,
                            base::Clock::Real(), nullptr),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("tls_crl: " + options.tls.crl + ": ")));
  options.tls = {"/nowhere/cert", "/nowhere/key", ""};
  EXPECT_THAT(Server::Start(options, &serving_state, &metrics,
                            base::Clock::Real(), nullptr),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("tls_cert: /nowhere/cert: ")));
}

TEST(ServerTest, CertificatesAndTheirMetricFollowTheFiles) {
  const TestCertificate first = MakeCertificate("first");
  const TestCertificate second =
      MakeCertificate("second", nullptr, absl::FromUnixSeconds(4100000000));
  MountedSecret secret({first.cert, first.key, ""});
  TestServer::Options options;
  options.rpc.tls = secret.files_of_server();
  options.rpc.tls_refresh = absl::Milliseconds(5);
  TestServer server(options);
  const int port = server.server().address().port;
  const std::string metric = "cooper_tls_cert_expiry_timestamp_seconds";
  EXPECT_EQ(PeerName(port), "first");
  EXPECT_EQ(server.Collect().Sum(metric), 4000000000);
  secret.Exchange({second.cert, second.key, ""});
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  while (server.Collect().Sum(metric) != 4100000000 && absl::Now() < give_up) {
  }
  EXPECT_EQ(server.Collect().Sum(metric), 4100000000);
  EXPECT_EQ(PeerName(port), "second");
}

// Good ones, a half-written one and none, while calls go on.
TEST(ServerTest, NoCallFailsWhileCertificatesAreExchanged) {
  const TestCertificate authority = MakeCertificate("authority");
  const TestCertificate first = MakeCertificate("first", &authority);
  const TestCertificate second = MakeCertificate("second", &authority);
  MountedSecret secret({first.cert, first.key, ""});
  TestServer::Options options;
  options.rpc.tls = secret.files_of_server();
  options.rpc.tls_refresh = absl::Milliseconds(2);
  TestServer server(options);
  const auto connect = [&] {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return v1::SpatialReasoningService::NewStub(grpc::CreateCustomChannel(
        server.server().address().ToString(),
        grpc::SslCredentials({authority.cert, "", ""}), arguments));
  };
  std::atomic<bool> done = false;
  std::atomic<int> calls = 0;
  const auto call = [&](bool anew) {
    auto stub = connect();
    while (!done) {
      if (anew) stub = connect();
      grpc::ClientContext context;
      v1::GetModelResponse model;
      const grpc::Status status = stub->GetModel(&context, {}, &model);
      EXPECT_TRUE(status.ok()) << status.error_message();
      ++calls;
    }
  };
  std::thread on_one(call, false);
  std::thread on_new(call, true);
  for (int i = 0; i < 10; ++i) {
    secret.Exchange({second.cert, second.key, ""});
    absl::SleepFor(absl::Milliseconds(10));
    secret.Exchange({first.cert, second.key, ""});  // half-written
    absl::SleepFor(absl::Milliseconds(5));
    secret.Exchange({"", "", ""});
    absl::SleepFor(absl::Milliseconds(5));
    secret.Exchange({first.cert, first.key, ""});
    absl::SleepFor(absl::Milliseconds(10));
  }
  done = true;
  on_one.join();
  on_new.join();
  EXPECT_GT(calls, 20);
}

TEST(ServerTest, WithoutTlsNoExpiryIsExported) {
  TestServer server;
  EXPECT_THAT(server.Collect().text, Not(HasSubstr("cooper_tls_")));
}

TEST(ServerTest, OptionsOutsideTheirRangesAreNamed) {
  const auto refused = [](const std::string& name,
                          const std::function<void(ServerOptions*)>& spoil) {
    ServerOptions options;
    spoil(&options);
    EXPECT_THAT(options.Validate(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name)));
  };
  EXPECT_OK(ServerOptions().Validate());
  refused("tls_refresh",
          [](ServerOptions* o) { o->tls_refresh = absl::ZeroDuration(); });
  refused("stall_timeout",
          [](ServerOptions* o) { o->stall_timeout = absl::ZeroDuration(); });
  refused("max_deadline",
          [](ServerOptions* o) { o->max_deadline = -absl::Seconds(1); });
  refused("max_connection_age", [](ServerOptions* o) {
    o->max_connection_age = absl::Milliseconds(10);
  });
  refused("max_concurrent_streams",
          [](ServerOptions* o) { o->max_concurrent_streams = 0; });
  refused("tls_key", [](ServerOptions* o) { o->tls.cert = "x"; });
}

TEST(ServerTest, ShutdownTwiceIsHarmless) {
  TestServer server;
  server.server().Shutdown(absl::ZeroDuration());
  server.server().Shutdown(absl::Seconds(1));
}

TEST(PeriodicTest, CallsUntilItIsDestroyed) {
  absl::BlockingCounter thrice(3);
  int left = 3;
  {
    base::Periodic periodic("test", absl::Milliseconds(1), [&] {
      if (left > 0) {
        --left;
        thrice.DecrementCount();
      }
    });
    thrice.Wait();
  }
  EXPECT_EQ(left, 0);
}

}  // namespace
}  // namespace cooper::rpc
