#include "client/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace cooper::client {
namespace {

// Only the calls that are cheap to repeat, and only the code that says "try
// again": a retried RESOURCE_EXHAUSTED would turn overload into a storm.
constexpr char kServiceConfig[] = R"({
  "methodConfig": [{
    "name": [
      {"service": "cooper.v1.SpatialReasoningService", "method": "GetModel"},
      {"service": "grpc.health.v1.Health", "method": "Check"}
    ],
    "retryPolicy": {
      "maxAttempts": 3,
      "initialBackoff": "0.2s",
      "maxBackoff": "5s",
      "backoffMultiplier": 5,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
})";

// A dead peer is noticed within 80 s. Pings start only while a call runs, and
// at most two go out without data, so that a server with gRPC's own limits
// never takes them for abuse.
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(
    const ClientOptions& options) {
  const bool tls = options.tls || !options.tls_ca_file.empty() ||
                   !options.tls_cert_file.empty();
  if (!tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  if (!options.tls_ca_file.empty()) {
    auto pem = ReadSmallFile(options.tls_ca_file, "tls_ca");
    if (!pem.ok()) return pem.status();
    ssl.pem_root_certs = *std::move(pem);
  }
  if (!options.tls_cert_file.empty()) {
    auto cert = ReadSmallFile(options.tls_cert_file, "tls_cert");
    if (!cert.ok()) return cert.status();
    auto key = ReadSmallFile(options.tls_key_file, "tls_key");
    if (!key.ok()) return key.status();
    ssl.pem_cert_chain = *std::move(cert);
    ssl.pem_private_key = *std::move(key);
  }
  return grpc::SslCredentials(ssl);
}

// Why a channel in TRANSIENT_FAILURE failed: a call that does not wait for the
// connection ends at once with the reason. Watch, because Check is retried.
std::string FailureOf(grpc::Channel& channel) {
  const std::shared_ptr<grpc::Channel> borrowed(&channel,
                                                [](grpc::Channel*) {});
  const auto stub = grpc::health::v1::Health::NewStub(borrowed);
  grpc::ClientContext context;
  const auto reader = stub->Watch(&context, {});
  grpc::health::v1::HealthCheckResponse response;
  if (reader->Read(&response)) context.TryCancel();
  return reader->Finish().error_message();
}

}  // namespace

absl::StatusOr<std::string> ReadSmallFile(const std::string& path,
                                          absl::string_view what) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  if (file) content << file.rdbuf();
  if (!file || content.str().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        what, ": cannot read ", path, ": ",
        file ? "the file is empty" : std::generic_category().message(errno)));
  }
  return content.str();
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> CreateChannel(
    const ClientOptions& options) {
  auto credentials = Credentials(options);
  if (!credentials.ok()) return credentials.status();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  arguments.SetServiceConfigJSON(kServiceConfig);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetUserAgentPrefix("cooper-client");
  if (!options.share_connection) {
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  }
  return grpc::CreateCustomChannel(options.target, *credentials, arguments);
}

absl::Status WaitUntilConnected(grpc::Channel& channel,
                                const ClientOptions& options) {
  // Beyond a year, the sum with the clock would overflow.
  const auto deadline = std::chrono::system_clock::now() +
                        absl::ToChronoMicroseconds(std::min(
                            options.connect_timeout, absl::Hours(24 * 365)));
  for (;;) {
    const grpc_connectivity_state state =
        channel.GetState(/*try_to_connect=*/true);
    if (state == GRPC_CHANNEL_READY) return absl::OkStatus();
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE ||
        state == GRPC_CHANNEL_SHUTDOWN) {
      return absl::UnavailableError(absl::StrCat(
          "cannot connect to ", options.target, ": ", FailureOf(channel)));
    }
    if (!channel.WaitForStateChange(state, deadline)) {
      return absl::UnavailableError(absl::StrCat(
          "cannot connect to ", options.target, ": no answer within ",
          absl::FormatDuration(options.connect_timeout)));
    }
  }
}

}  // namespace cooper::client
