#include "server/security/client_name.h"

#include <grpc/grpc_security_constants.h>

#include <memory>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/digest.h"

namespace cooper::security {
namespace {

constexpr absl::string_view kScheme = "bearer ";

// The last colon is the port's; a socket file ("unix:") has none.
absl::string_view WithoutPort(absl::string_view peer) {
  if (!absl::StartsWith(peer, "ipv4:") && !absl::StartsWith(peer, "ipv6:")) {
    return peer;
  }
  return peer.substr(0, peer.rfind(':'));
}

}  // namespace

std::string ClientName(const CallerFacts& facts) {
  if (!facts.token.empty()) {
    const base::Digest digest = base::Hasher().Add(facts.token).Finish();
    return absl::StrCat(
        "token:",
        absl::BytesToHexString(absl::string_view(
            reinterpret_cast<const char*>(digest.data()), digest.size())));
  }
  if (!facts.tls_name.empty()) return absl::StrCat("tls:", facts.tls_name);
  return std::string(WithoutPort(facts.peer));
}

std::string ClientNameOf(const grpc::ServerContextBase& context,
                         absl::string_view authorization) {
  CallerFacts facts;
  if (absl::StartsWithIgnoreCase(authorization, kScheme)) {
    facts.token =
        absl::StripAsciiWhitespace(authorization.substr(kScheme.size()));
  }
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  std::vector<grpc::string_ref> names;
  if (auth != nullptr && auth->IsPeerAuthenticated()) {
    names = auth->FindPropertyValues(GRPC_X509_CN_PROPERTY_NAME);
  }
  if (names.size() == 1) facts.tls_name = {names[0].data(), names[0].size()};
  const std::string peer = context.peer();
  facts.peer = peer;
  return ClientName(facts);
}

}  // namespace cooper::security
