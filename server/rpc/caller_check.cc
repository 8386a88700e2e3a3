#include "server/rpc/caller_check.h"

#include <grpc/grpc_security_constants.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "server/engine/core/end_status.h"
#include "server/engine/core/error.h"
#include "server/rpc/metadata.h"
#include "server/rpc/status.h"
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

absl::Status CallerCheck::CheckIdentity(
    const grpc::CallbackServerContext& context) const {
  if (credentials_.crl != nullptr) {
    COOPER_RETURN_IF_ERROR(CheckCertificate(context, credentials_.crl));
  }
  if (credentials_.tokens != nullptr &&
      !credentials_.tokens->Allows(SingleValue(context, "authorization"))) {
    return absl::UnauthenticatedError("a valid bearer token is required");
  }
  return absl::OkStatus();
}

absl::Status CallerCheck::Check(const grpc::CallbackServerContext& context,
                                engine::Method method) const {
  COOPER_RETURN_IF_ERROR(CheckIdentity(context));
  if (credentials_.policy == nullptr ||
      credentials_.policy->Allows(base::ShortDigest(ClientOf(context)),
                                  engine::MethodName(method))) {
    return absl::OkStatus();
  }
  return engine::ErrorStatus(
      engine::ErrorReason::kPermissionDenied,
      absl::StrCat("this client may not call ", engine::MethodName(method)));
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

}  // namespace cooper::rpc
