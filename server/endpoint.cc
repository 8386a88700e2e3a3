#include "server/endpoint.h"

#include <grpcpp/resource_quota.h>

#include <chrono>
#include <utility>

#include "base/status_macros.h"

namespace cooper {
namespace {

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

void Configure(const EndpointOptions& options, grpc::ServerBuilder* builder) {
  // A message that is too large is refused with our own error. gRPC would look
  // at its size no sooner: when it is complete.
  builder->SetMaxReceiveMessageSize(-1);
  grpc::ResourceQuota quota("receive");
  quota.Resize(static_cast<size_t>(options.receive_bytes));
  builder->SetResourceQuota(quota);
  // A compressed message could unfold to any size, and images do not compress.
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                              Milliseconds(options.times.handshake));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                              options.max_concurrent_streams);
  // The engine ends late calls, with a reason. gRPC would cancel them at the
  // same time, without one, and on a connection past its age without a status.
  builder->AddChannelArgument(GRPC_ARG_ENABLE_DEADLINE_CHECKS, 0);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                              Milliseconds(options.times.keepalive));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                              Milliseconds(options.times.keepalive_timeout));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder->AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      Milliseconds(options.times.min_ping_interval));
  if (options.max_connection_age != absl::InfiniteDuration()) {
    builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                                Milliseconds(options.max_connection_age));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Endpoint>> Endpoint::Start(
    const EndpointOptions& options,
    std::shared_ptr<grpc::ServerCredentials> credentials,
    rpc::MethodTable* methods, metrics::ServerMetrics* metrics) {
  std::unique_ptr<Endpoint> endpoint(new Endpoint);
  COOPER_ASSIGN_OR_RETURN(
      endpoint->acceptor_,
      Acceptor::Listen(options.listen, options.connections, metrics));
  grpc::ServerBuilder builder;
  Configure(options, &builder);
  using ConnectionType =
      grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  endpoint->connections_ = builder.experimental().AddExternalConnectionAcceptor(
      ConnectionType::FROM_FD, std::move(credentials));
  builder.RegisterCallbackGenericService(methods);
  endpoint->server_ = builder.BuildAndStart();
  if (endpoint->server_ == nullptr) {
    return absl::InternalError("gRPC cannot start a server");
  }
  return endpoint;
}

Endpoint::~Endpoint() { Shutdown(absl::ZeroDuration()); }

void Endpoint::Accept() {
  acceptor_->Start([this](int listener_fd, int fd) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters
        connection;
    connection.listener_fd = listener_fd;
    connection.fd = fd;
    connections_->HandleNewConnection(&connection);
  });
}

void Endpoint::Shutdown(absl::Duration grace) {
  if (acceptor_ != nullptr) acceptor_->Stop();
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now() +
                    absl::ToChronoMilliseconds(grace));
  server_->Wait();
}

}  // namespace cooper
