#include "server/server.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/periodic.h"
#include "base/status_macros.h"
#include "server/endpoint.h"
#include "server/kserve/inference_service.h"
#include "server/library_logs.h"
#include "server/listener_probe.h"
#include "server/rpc/health_service.h"
#include "server/rpc/reflection_service.h"
#include "server/rpc/service.h"
#include "server/rpc/stall_watch.h"
#include "server/security/client_hello.h"
#include "server/security/credentials.h"
#include "server/security/crl_file.h"
#include "server/security/policy_file.h"
#include "server/security/token_file.h"

namespace cooper::rpc {
namespace {

// Whether no request runs or waits.
bool IsIdle(const ServingState::Serving* serving) {
  if (serving == nullptr) return true;
  const engine::EngineLoad load = serving->engine->load();
  return load.running + load.queued == 0;
}

}  // namespace

absl::Status ServerOptions::Validate() const {
  COOPER_RETURN_IF_ERROR(limits.Validate());
  COOPER_RETURN_IF_ERROR(tls.Validate());
  if (!auth_token_file.empty() && tls.cert.empty() && !listen.IsLoopback() &&
      !allow_plaintext_tokens) {
    return absl::InvalidArgumentError(absl::StrCat(
        "auth_token_file: without tls_cert, tokens would be readable on the "
        "network of ",
        listen.ToString(),
        "; set tls_cert and tls_key, or allow_plaintext_tokens behind a proxy "
        "that ends TLS"));
  }
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

namespace {

// Of the port for probes, which serves nothing else.
constexpr int kHealthConnections = 64;
constexpr int kHealthStreams = 16;
constexpr int64_t kHealthReceiveBytes = int64_t{4} << 20;

}  // namespace

// Members in the order of their making: what comes first outlives the rest.
class Server::Impl {
 public:
  Impl(const ServerOptions& options, const ServingState* serving_state,
       metrics::ServerMetrics* metrics, const base::Clock* clock,
       std::unique_ptr<security::Credentials> credentials,
       std::unique_ptr<security::CrlFile> crl,
       std::unique_ptr<security::TokenFile> tokens,
       std::unique_ptr<security::PolicyFile> policy,
       std::function<void(ServerFault)> on_fault)
      : options(options),
        serving_state(*serving_state),
        clock(*clock),
        credentials(std::move(credentials)),
        crl(std::move(crl)),
        tokens(std::move(tokens)),
        policy(std::move(policy)),
        on_fault(std::move(on_fault)),
        answers(options.answer_bytes),
        memory(options.memory, metrics),
        environment{metrics,
                    clock,
                    &stalls,
                    &answers,
                    &memory,
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
        }),
        health_methods([this](CallContext* context) {
          return AnswerUnknownMethod(environment, context);
        }) {
    service.AddTo(&methods);
    inference.AddTo(&methods);
    health.AddTo(&methods);
    health.AddTo(&health_methods);
    if (options.reflection) {
      reflection
          .emplace(std::vector<std::string>{service.kName, inference.kName,
                                            health.kName},
                   CallerCheck(serving_state, clock, Checks()))
          .AddTo(&methods);
    }
  }

  CallerCredentials Checks() const {
    return {tokens.get(), crl.get(), policy.get()};
  }
  // The thread that reads the files of credentials again; none without them.
  void StartRenewal();
  absl::Status Listen();
  void Accept();

  const ServerOptions options;
  const ServingState& serving_state;
  const base::Clock& clock;
  const std::unique_ptr<security::Credentials> credentials;  // null without TLS
  const std::unique_ptr<security::CrlFile> crl;              // null: no list
  const std::unique_ptr<security::TokenFile> tokens;
  const std::unique_ptr<security::PolicyFile> policy;  // null: all may call all
  const std::function<void(ServerFault)> on_fault;
  StallWatch stalls;
  AnswerBudget answers;
  MemoryWatch memory;
  const StreamEnvironment environment;
  HealthService health;
  kserve::ServerState state;
  SpatialReasoningService service;
  kserve::InferenceService inference;
  std::optional<ReflectionService> reflection;
  MethodTable methods;
  MethodTable health_methods;  // of the port for probes
  std::unique_ptr<Endpoint> endpoint;
  std::unique_ptr<Endpoint> health_endpoint;  // null: there is none
  std::optional<ListenerProbe> probe;
  std::optional<base::Periodic> watchdog;
  std::optional<base::Periodic> renewal;
};

Server::Server() = default;

void Server::Impl::StartRenewal() {
  if (credentials == nullptr && tokens == nullptr && policy == nullptr) return;
  const absl::Duration tls =
      credentials == nullptr ? absl::InfiniteDuration() : options.tls_refresh;
  const absl::Duration token = tokens == nullptr && policy == nullptr
                                   ? absl::InfiniteDuration()
                                   : options.token_refresh;
  const absl::Duration interval = std::min(tls, token);
  renewal.emplace(
      "credentials", interval,
      [this, interval, tls, next_tls = absl::Now() + tls]() mutable {
        if (tokens != nullptr) tokens->Refresh();
        if (policy != nullptr) policy->Refresh();
        if (credentials == nullptr) return;
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

absl::Status Server::Impl::Listen() {
  EndpointOptions main;
  main.listen = options.listen;
  main.connections = options.connections;
  main.receive_bytes = options.receive_bytes;
  main.max_concurrent_streams = options.max_concurrent_streams;
  main.max_connection_age = options.max_connection_age;
  main.times = options.peer_times;
  COOPER_ASSIGN_OR_RETURN(
      endpoint,
      Endpoint::Start(main,
                      credentials == nullptr ? grpc::InsecureServerCredentials()
                                             : credentials->ForListener(),
                      &methods, environment.metrics));
  if (!options.health_listen.has_value()) return absl::OkStatus();
  EndpointOptions probes;
  probes.listen = *options.health_listen;
  probes.connections = {kHealthConnections, kHealthConnections};
  probes.receive_bytes = kHealthReceiveBytes;
  probes.max_concurrent_streams = kHealthStreams;
  auto started = Endpoint::Start(probes, grpc::InsecureServerCredentials(),
                                 &health_methods, /*metrics=*/nullptr);
  if (!started.ok()) return base::Annotate(started.status(), "health_listen");
  health_endpoint = *std::move(started);
  return absl::OkStatus();
}

void Server::Impl::Accept() {
  endpoint->Accept();
  if (health_endpoint != nullptr) health_endpoint->Accept();
  ListenerProbe::Options probed;
  probed.address = endpoint->address();
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
  std::unique_ptr<security::PolicyFile> policy;
  if (!options.policy_file.empty()) {
    COOPER_ASSIGN_OR_RETURN(
        policy,
        security::PolicyFile::Open(options.policy_file, engine::MethodNames()));
  }
  std::unique_ptr<Server> server(new Server);
  server->impl_ = std::make_unique<Impl>(options, serving_state, metrics, clock,
                                         std::move(credentials), std::move(crl),
                                         std::move(tokens), std::move(policy),
                                         std::move(on_fault));
  Impl& impl = *server->impl_;
  TakeLibraryLogs();
  COOPER_RETURN_IF_ERROR(impl.Listen());
  server->address_ = impl.endpoint->address();
  {
    base::MutexLock lock(&server->mutex_);
    server->last_watch_ = clock->Now();
  }
  server->SetReady(false);
  impl.watchdog.emplace("watchdog", options.watch_interval,
                        [self = server.get()] { self->Watch(); });
  if (impl.credentials != nullptr) {
    metrics->SetTlsCertExpiry(impl.credentials->expiry());
  }
  impl.StartRenewal();
  impl.Accept();
  return server;
}

Server::~Server() {
  Shutdown(absl::ZeroDuration());
  // Ends before the members that it looks at.
  if (impl_ != nullptr) impl_->watchdog.reset();
}

std::optional<base::ListenAddress> Server::health_address() const {
  if (impl_->health_endpoint == nullptr) return std::nullopt;
  return impl_->health_endpoint->address();
}

void Server::SetReady(bool ready) {
  base::MutexLock lock(&mutex_);
  ready_ = ready;
  UpdateHealthLocked(impl_->clock.Now());
}

void Server::Shutdown(absl::Duration grace) {
  if (impl_ == nullptr || impl_->endpoint == nullptr) return;
  impl_->state.closing = true;
  impl_->probe.reset();
  impl_->endpoint->StopAccepting();
  impl_->health.EndWatches();
  impl_->endpoint->Shutdown(grace);
  if (impl_->health_endpoint != nullptr) {
    impl_->health_endpoint->Shutdown(absl::ZeroDuration());
  }
}

void Server::Watch() {
  const absl::Time now = impl_->clock.Now();
  impl_->stalls.Check(now);
  const auto* serving = impl_->serving_state.get();
  impl_->memory.Check(now, IsIdle(serving));
  bool stuck = false;
  {
    base::MutexLock lock(&mutex_);
    NoticePauseLocked(now);
    UpdateHealthLocked(now);
    stuck = serving != nullptr && told_->stuck;
  }
  if (stuck) serving->engine->GiveUp();
  bool tell = false;
  {
    base::MutexLock lock(&mutex_);
    tell = serving != nullptr && !serving->engine->healthy() && !failure_told_;
    failure_told_ = failure_told_ || tell;
  }
  if (tell && impl_->on_fault) impl_->on_fault(ServerFault::kEngineFailed);
}

void Server::NoticePauseLocked(absl::Time now) {
  const ServerOptions& options = impl_->options;
  const absl::Duration pause =
      std::max(options.stuck_after / 2, 4 * options.watch_interval);
  if (now - last_watch_ > pause) awake_since_ = now;
  last_watch_ = now;
}

void Server::UpdateHealthLocked(absl::Time now) {
  const Health health = HealthOf(ready_, impl_->serving_state.get(), now,
                                 impl_->options.stuck_after, awake_since_);
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
