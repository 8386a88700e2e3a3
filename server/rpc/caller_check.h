#ifndef COOPER_SERVER_RPC_CALLER_CHECK_H_
#define COOPER_SERVER_RPC_CALLER_CHECK_H_

#include <grpcpp/server_context.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/engine/core/method.h"
#include "server/rpc/call_deadline.h"
#include "server/rpc/serving_state.h"
#include "server/security/crl_file.h"
#include "server/security/policy_file.h"
#include "server/security/token_file.h"

namespace cooper::rpc {

// What callers are checked against; null: not checked.
struct CallerCredentials {
  security::TokenFile* tokens = nullptr;
  security::CrlFile* crl = nullptr;
  security::PolicyFile* policy = nullptr;
};

// What every RPC of every service checks before it looks at its request.
//
// Thread-safe; never blocks. What it is given must outlive it.
class CallerCheck {
 public:
  CallerCheck(const ServingState* serving_state, const base::Clock* clock,
              const CallerCredentials& credentials)
      : serving_state_(*serving_state),
        clock_(*clock),
        credentials_(credentials) {}

  // UNAUTHENTICATED: no valid token, without a hint which part failed, or a
  // certificate that is revoked. PERMISSION_DENIED: this client may not call
  // `method`.
  absl::Status Check(const grpc::CallbackServerContext& context,
                     engine::Method method) const;

  // The same for a service that no policy names.
  absl::Status CheckIdentity(const grpc::CallbackServerContext& context) const;

  // Of a caller that was checked: who it is (client_name.h).
  std::string ClientOf(const grpc::CallbackServerContext& context) const;

  // What is served. UNAVAILABLE: the model is being loaded.
  absl::StatusOr<const ServingState::Serving*> CheckLoaded() const;

  // The same for work with a deadline. DEADLINE_EXCEEDED: too late already.
  absl::StatusOr<const ServingState::Serving*> CheckLoaded(
      const CallDeadline& deadline) const;

 private:
  const ServingState& serving_state_;
  const base::Clock& clock_;
  const CallerCredentials credentials_;
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_CALLER_CHECK_H_
