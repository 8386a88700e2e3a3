#include "server/metrics/listening_socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace cooper::metrics {
namespace {

constexpr int kBacklog = 128;

absl::Status CannotListen(const base::ListenAddress& address,
                          absl::string_view why) {
  return absl::UnavailableError(
      absl::StrCat("cannot listen on ", address.ToString(), ": ", why));
}

absl::Status CannotListen(const base::ListenAddress& address, int error) {
  return CannotListen(
      address,
      absl::StrCat(std::system_category().message(error),
                   error == EADDRINUSE ? " (is the port in use?)" : ""));
}

// The port that `fd` is bound to; -1: cannot be told.
int PortOf(int fd) {
  sockaddr_storage bound = {};
  socklen_t bytes = sizeof(bound);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &bytes) != 0) {
    return -1;
  }
  return ntohs(bound.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(bound).sin_port);
}

// 0, or an errno.
int ListenOn(const addrinfo& where, ListeningSocket* listening) {
  FileDescriptor fd(
      socket(where.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  const int off = 0;
  if (!fd.valid()) return errno;
  // Not kept from a port by the connections of the process before.
  if (setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      (where.ai_family == AF_INET6 &&
       setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) !=
           0) ||
      bind(fd.get(), where.ai_addr, where.ai_addrlen) != 0 ||
      listen(fd.get(), kBacklog) != 0) {
    return errno;
  }
  listening->port = PortOf(fd.get());
  listening->fd = std::move(fd);
  return 0;
}

}  // namespace

absl::StatusOr<ListeningSocket> Listen(const base::ListenAddress& address) {
  absl::string_view host = address.host;
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(std::string(host).c_str(),
                  std::to_string(address.port).c_str(), &hints, &found);
  if (error != 0) return CannotListen(address, gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found,
                                                                 freeaddrinfo);
  ListeningSocket listening;
  int failure = EADDRNOTAVAIL;
  for (const addrinfo* where = found; where != nullptr;
       where = where->ai_next) {
    failure = ListenOn(*where, &listening);
    if (failure == 0) return listening;
    // Another address of the name only where this machine lacks the first.
    if (failure != EADDRNOTAVAIL && failure != EAFNOSUPPORT) break;
  }
  return CannotListen(address, failure);
}

}  // namespace cooper::metrics
