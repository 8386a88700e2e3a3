#include "server/server.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/logging.h"
#include "base/periodic.h"
#include "base/status_macros.h"
#include "server/kserve/inference_service.h"
#include "server/listener_probe.h"
#include "server/rpc/health_service.h"
#include "server/rpc/reflection_service.h"
#include "server/rpc/service.h"
#include "server/rpc/stall_watch.h"
#include "server/security/client_hello.h"
#include "server/security/credentials.h"
#include "server/security/crl_file.h"
#include "server/security/token_file.h"

namespace cooper::rpc {
namespace {

// gRPC's own words, as lines of our log.
void LogGrpc(gpr_log_func_args* args) {
  base::Log(args->severity == GPR_LOG_SEVERITY_ERROR ? base::LogLevel::kWarning
                                                     : base::LogLevel::kInfo,
            "grpc", {{"text", args->message}});
}

// The same of protobuf, which tells of strings that are not UTF-8.
void LogProtobuf(google::protobuf::LogLevel, const char*, int,
                 const std::string& message) {
  base::Log(base::LogLevel::kInfo, "protobuf",
            {{"text", base::Printable(message, 500)}});
}

// For TLS, and for the first frames of HTTP/2.
constexpr absl::Duration kHandshakeTimeout = absl::Seconds(20);

void Configure(const ServerOptions& options, grpc::ServerBuilder* builder) {
  // A message that is too large is refused with our own error. gRPC would look
  // at its size no sooner: when it is complete.
  builder->SetMaxReceiveMessageSize(-1);
  grpc::ResourceQuota quota("receive");
  quota.Resize(static_cast<size_t>(options.receive_bytes));
  builder->SetResourceQuota(quota);
  // A compressed message could unfold to any size, and images do not compress.
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder->AddChannelArgument(
      GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
      static_cast<int>(absl::ToInt64Milliseconds(kHandshakeTimeout)));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                              options.max_concurrent_streams);
  // A peer that vanished is noticed within 30 s.
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 20000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Callers may ping every 10 s, also through a long silence.
  builder->AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 9000);
  if (options.max_connection_age != absl::InfiniteDuration()) {
    builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                                static_cast<int>(absl::ToInt64Milliseconds(
                                    options.max_connection_age)));
  }
}

}  // namespace

absl::Status ServerOptions::Validate() const {
  COOPER_RETURN_IF_ERROR(limits.Validate());
  COOPER_RETURN_IF_ERROR(tls.Validate());
  const auto positive = [](absl::string_view name, absl::Duration value) {
    if (value >= absl::Milliseconds(1)) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        name, ": must be at least 1ms, not ", absl::FormatDuration(value)));
  };
  COOPER_RETURN_IF_ERROR(positive("tls_refresh", tls_refresh));
  COOPER_RETURN_IF_ERROR(positive("token_refresh", token_refresh));
  COOPER_RETURN_IF_ERROR(positive("stall_timeout", stall_timeout));
  COOPER_RETURN_IF_ERROR(positive("receive_timeout", receive_timeout));
  COOPER_RETURN_IF_ERROR(positive("max_deadline", max_deadline));
  if (max_connection_age < absl::Seconds(1) ||
      (max_connection_age > absl::Hours(24 * 7) &&
       max_connection_age != absl::InfiniteDuration())) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_connection_age: must be in [1s, 168h] or inf, not ",
                     absl::FormatDuration(max_connection_age)));
  }
  COOPER_RETURN_IF_ERROR(positive("stuck_after", stuck_after));
  COOPER_RETURN_IF_ERROR(positive("watch_interval", watch_interval));
  for (const auto& [name, value] :
       {std::pair{"max_connections", connections.total},
        {"max_connections_per_address", connections.per_address}}) {
    if (value < 0 || value > 1000000) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": must be in [0, 1000000], not ", value));
    }
  }
  if (receive_bytes < 2 * limits.max_message_bytes ||
      answer_bytes < int64_t{1} << 20) {
    return absl::InvalidArgumentError(
        "memory_budget_mib: must hold at least four of the largest message");
  }
  if (max_concurrent_streams < 1) {
    return absl::InvalidArgumentError(
        "max_concurrent_streams: must be at least 1");
  }
  return absl::OkStatus();
}

// Members in the order of their making: what comes first outlives the rest.
class Server::Impl {
 public:
  Impl(const ServerOptions& options, const ServingState* serving_state,
       metrics::ServerMetrics* metrics, const base::Clock* clock,
       std::unique_ptr<security::Credentials> credentials,
       std::unique_ptr<security::CrlFile> crl,
       std::unique_ptr<security::TokenFile> tokens,
       std::function<void(ServerFault)> on_fault)
      : options(options),
        serving_state(*serving_state),
        clock(*clock),
        credentials(std::move(credentials)),
        crl(std::move(crl)),
        tokens(std::move(tokens)),
        on_fault(std::move(on_fault)),
        answers(options.answer_bytes),
        environment{metrics,
                    clock,
                    &stalls,
                    &answers,
                    options.tracer,
                    options.stall_timeout,
                    options.max_deadline,
                    {.max_bytes = options.limits.max_message_bytes},
                    options.receive_timeout},
        health(&stalls, clock, environment.receive_timeout),
        service(serving_state, options.limits, environment, Checks(),
                options.version),
        inference(serving_state, options.limits, environment, Checks(), &state,
                  options.version),
        methods([this](CallContext* context) {
          return AnswerUnknownMethod(environment, context);
        }) {
    service.AddTo(&methods);
    inference.AddTo(&methods);
    health.AddTo(&methods);
    if (options.reflection) {
      reflection
          .emplace(std::vector<std::string>{service.kName, inference.kName,
                                            health.kName},
                   CallerCheck(serving_state, clock, Checks()))
          .AddTo(&methods);
    }
  }

  CallerCredentials Checks() const { return {tokens.get(), crl.get()}; }
  // The thread that reads the files of credentials again; none without them.
  void StartRenewal();
  void StartAccepting(const base::ListenAddress& address);

  const ServerOptions options;
  const ServingState& serving_state;
  const base::Clock& clock;
  const std::unique_ptr<security::Credentials> credentials;  // null without TLS
  const std::unique_ptr<security::CrlFile> crl;              // null: no list
  const std::unique_ptr<security::TokenFile> tokens;
  const std::function<void(ServerFault)> on_fault;
  StallWatch stalls;
  AnswerBudget answers;
  const StreamEnvironment environment;
  HealthService health;
  kserve::ServerState state;
  SpatialReasoningService service;
  kserve::InferenceService inference;
  std::optional<ReflectionService> reflection;
  MethodTable methods;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> connections;
  std::unique_ptr<Acceptor> acceptor;
  std::optional<ListenerProbe> probe;
  std::optional<base::Periodic> watchdog;
  std::optional<base::Periodic> renewal;
};

Server::Server() = default;

void Server::Impl::StartRenewal() {
  if (credentials == nullptr && tokens == nullptr) return;
  const absl::Duration tls =
      credentials == nullptr ? absl::InfiniteDuration() : options.tls_refresh;
  const absl::Duration token =
      tokens == nullptr ? absl::InfiniteDuration() : options.token_refresh;
  const absl::Duration interval = std::min(tls, token);
  renewal.emplace(
      "credentials", interval,
      [this, interval, tls, next_tls = absl::Now() + tls]() mutable {
        if (tokens != nullptr) tokens->Refresh();
        const absl::Time now = absl::Now();
        // The interval's own waits may end a little early.
        if (now + interval / 2 < next_tls) return;
        next_tls = now + tls;
        credentials->Refresh();
        environment.metrics->SetTlsCertExpiry(credentials->expiry());
        if (crl != nullptr) {
          crl->Refresh(credentials->client_ca(), now);
        }
      });
}

void Server::Impl::StartAccepting(const base::ListenAddress& address) {
  acceptor->Start([this](int listener_fd, int fd) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters
        connection;
    connection.listener_fd = listener_fd;
    connection.fd = fd;
    connections->HandleNewConnection(&connection);
  });
  ListenerProbe::Options probed;
  probed.address = address;
  if (credentials != nullptr) probed.greeting = security::TlsClientHello();
  probed.interval = options.probe_interval;
  probed.patience = options.probe_patience;
  probe.emplace(probed, [this] {
    if (on_fault) on_fault(ServerFault::kDeaf);
  });
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    const ServerOptions& options, const ServingState* serving_state,
    metrics::ServerMetrics* metrics, const base::Clock* clock,
    std::function<void(ServerFault)> on_fault) {
  COOPER_RETURN_IF_ERROR(options.Validate());
  std::unique_ptr<security::Credentials> credentials;
  if (!options.tls.cert.empty()) {
    COOPER_ASSIGN_OR_RETURN(credentials,
                            security::Credentials::Open(options.tls));
  }
  std::unique_ptr<security::CrlFile> crl;
  if (!options.tls.crl.empty()) {
    COOPER_ASSIGN_OR_RETURN(
        crl, security::CrlFile::Open(options.tls, credentials->client_ca(),
                                     absl::Now()));
  }
  std::unique_ptr<security::TokenFile> tokens;
  if (!options.auth_token_file.empty()) {
    COOPER_ASSIGN_OR_RETURN(tokens,
                            security::TokenFile::Open(options.auth_token_file));
  }
  std::unique_ptr<Server> server(new Server);
  server->impl_ = std::make_unique<Impl>(
      options, serving_state, metrics, clock, std::move(credentials),
      std::move(crl), std::move(tokens), std::move(on_fault));
  Impl& impl = *server->impl_;
  COOPER_ASSIGN_OR_RETURN(
      impl.acceptor,
      Acceptor::Listen(options.listen, options.connections, metrics));
  server->address_ = impl.acceptor->address();

  gpr_set_log_function(LogGrpc);
  google::protobuf::SetLogHandler(LogProtobuf);
  grpc::ServerBuilder builder;
  Configure(options, &builder);
  using ConnectionType =
      grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  impl.connections = builder.experimental().AddExternalConnectionAcceptor(
      ConnectionType::FROM_FD, impl.credentials == nullptr
                                   ? grpc::InsecureServerCredentials()
                                   : impl.credentials->ForListener());
  builder.RegisterCallbackGenericService(&impl.methods);
  impl.server = builder.BuildAndStart();
  if (impl.server == nullptr) {
    return absl::InternalError("gRPC cannot start a server");
  }
  server->SetReady(false);
  impl.watchdog.emplace("watchdog", options.watch_interval,
                        [self = server.get()] { self->Watch(); });
  if (impl.credentials != nullptr) {
    metrics->SetTlsCertExpiry(impl.credentials->expiry());
  }
  impl.StartRenewal();
  impl.StartAccepting(server->address_);
  return server;
}

Server::~Server() {
  Shutdown(absl::ZeroDuration());
  // Ends before the members that it looks at.
  if (impl_ != nullptr) impl_->watchdog.reset();
}

void Server::SetReady(bool ready) {
  base::MutexLock lock(&mutex_);
  ready_ = ready;
  UpdateHealthLocked();
}

void Server::Shutdown(absl::Duration grace) {
  if (impl_ == nullptr || impl_->server == nullptr) return;
  impl_->state.closing = true;
  impl_->probe.reset();
  impl_->acceptor->Stop();
  impl_->health.EndWatches();
  impl_->server->Shutdown(std::chrono::system_clock::now() +
                          absl::ToChronoMilliseconds(grace));
  impl_->server->Wait();
}

void Server::Watch() {
  impl_->stalls.Check(impl_->clock.Now());
  bool tell = false;
  {
    base::MutexLock lock(&mutex_);
    UpdateHealthLocked();
    const auto* serving = impl_->serving_state.get();
    tell = serving != nullptr && !serving->engine->healthy() && !failure_told_;
    failure_told_ = failure_told_ || tell;
  }
  if (tell && impl_->on_fault) impl_->on_fault(ServerFault::kEngineFailed);
}

void Server::UpdateHealthLocked() {
  const Health health =
      HealthOf(ready_, impl_->serving_state.get(), impl_->clock.Now(),
               impl_->options.stuck_after);
  if (told_ == health) return;
  told_ = health;
  for (const char* name : {"", SpatialReasoningService::kName,
                           kserve::InferenceService::kName, "readiness"}) {
    impl_->health.Set(name, health.serving);
  }
  impl_->health.Set("liveness", health.live);
  impl_->state.ready = health.serving;
  impl_->state.live = health.live;
  impl_->environment.metrics->SetReady(health.serving);
}

}  // namespace cooper::rpc
