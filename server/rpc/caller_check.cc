#include "server/rpc/caller_check.h"

#include <grpc/grpc_security_constants.h>

#include <exception>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "server/engine/core/error.h"
#include "server/rpc/call_log.h"
#include "server/rpc/metadata.h"
#include "server/rpc/status.h"
#include "server/rpc/trace.h"
#include "server/security/client_name.h"

namespace cooper::rpc {
namespace {

// The value of a property of the connection; empty if absent or repeated.
absl::string_view SingleValue(const grpc::AuthContext& connection,
                              const char* property) {
  const auto values = connection.FindPropertyValues(property);
  if (values.size() != 1) return "";
  return absl::string_view(values[0].data(), values[0].size());
}

absl::Status CheckCertificate(const grpc::CallbackServerContext& context,
                              security::CrlFile* crl) {
  const std::shared_ptr<const grpc::AuthContext> connection =
      context.auth_context();
  return crl->Check(
      SingleValue(*connection, GRPC_X509_PEM_CERT_PROPERTY_NAME),
      SingleValue(*connection, GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME));
}

}  // namespace

absl::Status CallerCheck::Check(
    const grpc::CallbackServerContext& context) const {
  if (credentials_.crl != nullptr) {
    COOPER_RETURN_IF_ERROR(CheckCertificate(context, credentials_.crl));
  }
  if (credentials_.tokens == nullptr ||
      credentials_.tokens->Allows(SingleValue(context, "authorization"))) {
    return absl::OkStatus();
  }
  return absl::UnauthenticatedError("a valid bearer token is required");
}

std::string CallerCheck::ClientOf(
    const grpc::CallbackServerContext& context) const {
  return security::ClientNameOf(context,
                                credentials_.tokens == nullptr
                                    ? ""
                                    : SingleValue(context, "authorization"));
}

absl::StatusOr<const ServingState::Serving*> CallerCheck::CheckLoaded() const {
  const ServingState::Serving* serving = serving_state_.get();
  if (serving != nullptr) return serving;
  engine::ErrorDetails details;
  details.reason = engine::ErrorReason::kLoading;
  const model::LoadProgress* progress = serving_state_.progress();
  if (progress == nullptr) {
    return engine::MakeError(details, "the model is being loaded");
  }
  const model::LoadProgress::State state = progress->state();
  details.retry_after = model::LoadProgress::RetryAfter(state);
  return engine::MakeError(details, absl::StrCat("the model is being loaded (",
                                                 state.Description(), ")"));
}

absl::StatusOr<const ServingState::Serving*> CallerCheck::CheckLoaded(
    const CallDeadline& deadline) const {
  COOPER_ASSIGN_OR_RETURN(const ServingState::Serving* serving, CheckLoaded());
  if (deadline.time() <= clock_.Now()) {
    return CancelledError(engine::CancelCause::kDeadline,
                          engine::Phase::kQueue);
  }
  return serving;
}

absl::Status CatchAll(absl::FunctionRef<absl::Status()> work) {
  try {
    return work();
  } catch (const std::exception& exception) {
    base::Log(base::LogLevel::kError, "exception in a handler",
              {{"what", exception.what()}});
    engine::ErrorDetails details;
    details.reason = engine::ErrorReason::kEngine;
    return engine::MakeError(details, "internal error");
  }
}

grpc::ServerUnaryReactor* AnswerAtOnce(
    grpc::CallbackServerContext* context, const StreamEnvironment& environment,
    engine::Method method, absl::FunctionRef<absl::Status()> answer) {
  const absl::Time started = environment.clock->Now();
  const absl::Status end = CatchAll(answer);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(CountCall(end, started, environment, method, context));
  return reactor;
}

grpc::Status CountCall(const absl::Status& end, absl::Time started,
                       const StreamEnvironment& environment,
                       engine::Method method,
                       grpc::CallbackServerContext* context) {
  if (const auto pushback = RetryPushbackMs(end)) {
    context->AddTrailingMetadata("grpc-retry-pushback-ms",
                                 absl::StrCat(*pushback));
  }
  const grpc::Status status = ToGrpcStatus(end);
  const absl::Duration duration = environment.clock->Now() - started;
  environment.metrics->RpcStarted(method);
  CountEnd(end, method, environment.metrics);
  environment.metrics->RpcFinished(method, status.error_code(), duration);
  if (!end.ok()) {
    LogCall(method, end, {"", "", TraceIdOf(*context)}, *context, duration);
  }
  return status;
}

}  // namespace cooper::rpc
