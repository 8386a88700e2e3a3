#include "client/cli/server_address.h"

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/text.h"

namespace cooper::client {

std::string DefaultServer() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): called before threads start.
  const char* const server = std::getenv("COOPER_SERVER");
  return server != nullptr && *server != '\0' ? server : ClientOptions{}.target;
}

absl::Status ReadServer(absl::string_view server, ClientOptions* client) {
  absl::string_view rest = server;
  if (absl::ConsumePrefix(&rest, "https://")) {
    client->tls = true;
  } else if (!absl::ConsumePrefix(&rest, "http://")) {
    if (absl::StartsWith(rest, "/")) {
      client->target = absl::StrCat("unix:", rest);
      return absl::OkStatus();
    }
    // A name with a scheme is gRPC's own.
    if (absl::StartsWith(rest, "unix:") || absl::StrContains(rest, ":/")) {
      client->target = std::string(rest);
      return absl::OkStatus();
    }
  }
  absl::ConsumeSuffix(&rest, "/");
  if (rest.empty() || absl::StrContains(rest, '/')) {
    return absl::InvalidArgumentError(
        absl::StrCat("--server: \"", Printable(server), "\" is no HOST:PORT"));
  }
  client->target = absl::StrCat(rest[0] == ':' ? "localhost" : "", rest);
  const bool ipv6 = absl::StrContains(rest, '[');
  const size_t port = rest.find(':', ipv6 ? rest.find(']') : 0);
  if (port == absl::string_view::npos) client->target += ":8001";
  return absl::OkStatus();
}

}  // namespace cooper::client
