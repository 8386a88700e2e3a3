#include "server/acceptor.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/logging.h"
#include "base/status_macros.h"

namespace cooper {
namespace {

constexpr absl::Duration kSweepInterval = absl::Milliseconds(250);
// Between sweeps that a full server makes before it refuses a connection.
constexpr absl::Duration kShortestSweepInterval = absl::Milliseconds(10);
constexpr absl::Duration kPause = absl::Milliseconds(100);
constexpr absl::Duration kWarningInterval = absl::Minutes(1);
// Descriptors that connections leave to the rest of the process.
constexpr int kReservedDescriptors = 64;
// Of data that a peer does not acknowledge, as gRPC's own listener has it.
constexpr unsigned kUserTimeoutMs = 10000;

void SetOption(int fd, int level, int option, int value) {
  (void)setsockopt(fd, level, option, &value, sizeof(value));
}

absl::Status Errno(const base::ListenAddress& address, int error) {
  return absl::UnavailableError(absl::StrCat(
      "cannot listen on ", address.ToString(), ": ", std::strerror(error),
      error == EADDRINUSE ? " (is the port in use?)" : ""));
}

// The limit, less what the process needs besides connections. `total` 0: no
// limit of its own.
int WithinDescriptors(int total) {
  rlimit limit = {};
  int64_t room = INT64_MAX;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
      limit.rlim_cur != RLIM_INFINITY) {
    room = std::max<int64_t>(
        1, static_cast<int64_t>(limit.rlim_cur) - kReservedDescriptors);
  }
  if (total > 0 && total <= room) return total;
  if (total > 0) {
    base::Log(base::LogLevel::kWarning,
              "fewer connections than max_connections: descriptors are few",
              {{"connections", room}});
  }
  return static_cast<int>(std::min<int64_t>(room, 1 << 30));
}

// Whom a connection counts for: the IPv4 address, or the first half of an IPv6
// address, as bytes.
std::string KeyOf(const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(peer);
    return {reinterpret_cast<const char*>(&v4.sin_addr), sizeof(v4.sin_addr)};
  }
  if (peer.ss_family != AF_INET6) return "";
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(peer);
  const auto* bytes = reinterpret_cast<const char*>(&v6.sin6_addr);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) return {bytes + 12, 4};
  return {bytes, 8};
}

int PortOf(int fd) {
  sockaddr_storage own = {};
  socklen_t size = sizeof(own);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) != 0) return 0;
  // The port stands at the same place in both families.
  return ntohs(reinterpret_cast<const sockaddr_in&>(own).sin_port);
}

// Whether an error of accept is that of a connection which is gone already
// (accept(2)), and not of the listener or the process.
bool IsOfOneConnection(int error) {
  switch (error) {
    case ECONNABORTED:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EINTR:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EPERM:
    case EPROTO:
      return true;
    default:
      return false;
  }
}

// A socket that listens on `where`, or minus the error.
int ListenOn(sockaddr* where, socklen_t size, int port, bool dual_stack) {
  reinterpret_cast<sockaddr_in*>(where)->sin_port =
      htons(static_cast<uint16_t>(port));
  const int fd =
      socket(where->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  SetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  // What is accepted inherits these.
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMs);
  if (where->sa_family == AF_INET6) {
    SetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, dual_stack ? 0 : 1);
  }
  if (bind(fd, where, size) != 0 || listen(fd, SOMAXCONN) != 0) {
    const int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

}  // namespace

Acceptor::Acceptor(const ConnectionLimits& limits,
                   metrics::ServerMetrics* metrics)
    : limits_{WithinDescriptors(limits.total), limits.per_address},
      metrics_(metrics),
      stop_event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

absl::StatusOr<std::unique_ptr<Acceptor>> Acceptor::Listen(
    const base::ListenAddress& address, const ConnectionLimits& limits,
    metrics::ServerMetrics* metrics) {
  std::unique_ptr<Acceptor> acceptor(new Acceptor(limits, metrics));
  COOPER_RETURN_IF_ERROR(acceptor->Bind(address));
  return acceptor;
}

absl::Status Acceptor::Bind(const base::ListenAddress& address) {
  address_ = address;
  // Every IPv4 address means every IPv6 address too, as for gRPC.
  if (address.host == "0.0.0.0" || address.host == "[::]") {
    sockaddr_in6 any = {};
    any.sin6_family = AF_INET6;
    const int fd = ListenOn(reinterpret_cast<sockaddr*>(&any), sizeof(any),
                            address.port, /*dual_stack=*/true);
    if (fd >= 0) {
      listeners_.push_back(fd);
      address_.port = PortOf(fd);
      return absl::OkStatus();
    }
    if (-fd == EADDRINUSE || address.host == "[::]") return Errno(address, -fd);
  }
  std::string host = address.host;
  if (absl::StartsWith(host, "[")) host = host.substr(1, host.size() - 2);
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen on ", address.ToString(), ": ", gai_strerror(error)));
  }
  const absl::Cleanup free_found = [found] { freeaddrinfo(found); };
  int first_error = EADDRNOTAVAIL;
  // A name may have several addresses; all get the same port.
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    const int fd = ListenOn(at->ai_addr, at->ai_addrlen, address_.port,
                            /*dual_stack=*/false);
    if (fd < 0) {
      if (listeners_.empty()) first_error = -fd;
      continue;
    }
    listeners_.push_back(fd);
    address_.port = PortOf(fd);
  }
  return listeners_.empty() ? Errno(address, first_error) : absl::OkStatus();
}

Acceptor::~Acceptor() {
  Stop();
  close(stop_event_);
}

void Acceptor::Start(Take take) {
  take_ = std::move(take);
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "acceptor");
    Run();
  });
}

void Acceptor::Stop() {
  const uint64_t one = 1;
  (void)!write(stop_event_, &one, sizeof(one));
  if (thread_.joinable()) thread_.join();
  for (const int fd : std::exchange(listeners_, {})) close(fd);
}

void Acceptor::Run() {
  std::vector<pollfd> waited = {{stop_event_, POLLIN, 0}};
  for (const int fd : listeners_) waited.push_back({fd, POLLIN, 0});
  bool pausing = false;
  while (true) {
    const absl::Duration timeout = pausing ? kPause : kSweepInterval;
    const int ready =
        poll(waited.data(), pausing ? 1 : waited.size(),
             static_cast<int>(absl::ToInt64Milliseconds(timeout)));
    if (ready > 0 && (waited[0].revents & POLLIN) != 0) return;
    if (absl::Now() - last_sweep_ >= kSweepInterval) Sweep();
    pausing = false;
    for (const int fd : listeners_) pausing = !AcceptAll(fd) || pausing;
  }
}

bool Acceptor::AcceptAll(int listener) {
  while (true) {
    sockaddr_storage peer = {};
    socklen_t size = sizeof(peer);
    const int fd = accept4(listener, reinterpret_cast<sockaddr*>(&peer), &size,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
      if (IsOfOneConnection(errno)) continue;
      CountRefused("descriptors");
      if (absl::Now() - last_warning_ > kWarningInterval) {
        last_warning_ = absl::Now();
        base::Log(base::LogLevel::kWarning,
                  "no connection can be accepted for now",
                  {{"cause", std::strerror(errno)}});
      }
      return false;
    }
    // The descriptor was another connection's, which is closed then.
    Forget(fd);
    const std::string address = KeyOf(peer);
    if (const char* limit = LimitPassedBy(address)) {
      CountRefused(limit);
      close(fd);
      continue;
    }
    struct stat status = {};
    if (fstat(fd, &status) != 0) {
      close(fd);
      continue;
    }
    open_[fd] = {status.st_ino, address};
    ++by_address_[address];
    CountOpen();
    take_(listener, fd);
  }
}

const char* Acceptor::LimitPassedBy(const std::string& address) {
  const auto passed = [&]() -> const char* {
    if (static_cast<int>(open_.size()) >= limits_.total) return "total";
    const auto found = by_address_.find(address);
    return limits_.per_address > 0 && found != by_address_.end() &&
                   found->second >= limits_.per_address
               ? "address"
               : nullptr;
  };
  const char* limit = passed();
  if (limit == nullptr || absl::Now() - last_sweep_ < kShortestSweepInterval) {
    return limit;
  }
  Sweep();
  return passed();
}

void Acceptor::Sweep() {
  last_sweep_ = absl::Now();
  std::vector<int> closed;
  for (const auto& [fd, connection] : open_) {
    struct stat status = {};
    if (fstat(fd, &status) != 0 || !S_ISSOCK(status.st_mode) ||
        status.st_ino != connection.inode) {
      closed.push_back(fd);
    }
  }
  for (const int fd : closed) Forget(fd);
  CountOpen();
}

void Acceptor::CountOpen() {
  if (metrics_ == nullptr) return;
  metrics_->SetConnections(static_cast<int>(open_.size()));
}

void Acceptor::CountRefused(const char* reason) {
  if (metrics_ != nullptr) metrics_->ConnectionRefused(reason);
}

void Acceptor::Forget(int fd) {
  const auto found = open_.find(fd);
  if (found == open_.end()) return;
  const auto counted = by_address_.find(found->second.address);
  if (--counted->second == 0) by_address_.erase(counted);
  open_.erase(found);
}

void RaiseDescriptorLimit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace cooper
