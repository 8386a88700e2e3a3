#include "tests/server/metrics/raw_client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace cooper::testing {

RawClient::RawClient(int port, bool six)
    : socket_(socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval limit = {10, 0};
  const int on = 1;
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  sockaddr_in four = {};
  four.sin_family = AF_INET;
  four.sin_port = htons(static_cast<uint16_t>(port));
  four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 large = {};
  large.sin6_family = AF_INET6;
  large.sin6_port = four.sin_port;
  large.sin6_addr = in6addr_loopback;
  const int failed =
      six ? connect(socket_, reinterpret_cast<sockaddr*>(&large), sizeof(large))
          : connect(socket_, reinterpret_cast<sockaddr*>(&four), sizeof(four));
  connected_ = failed == 0;
}

RawClient::RawClient(RawClient&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), connected_(other.connected_) {}

RawClient::~RawClient() {
  if (socket_ >= 0) close(socket_);
}

bool RawClient::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent =
        send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::string RawClient::ReadAll() {
  std::string all;
  char buffer[65536];
  ssize_t got = 0;
  while ((got = recv(socket_, buffer, sizeof(buffer), 0)) > 0) {
    all.append(buffer, static_cast<size_t>(got));
  }
  return all;
}

bool RawClient::WaitForBytes() {
  char byte = 0;
  return recv(socket_, &byte, 1, MSG_PEEK) == 1;
}

std::string Exchange(int port, absl::string_view request) {
  RawClient client(port);
  client.Send(request);
  return client.ReadAll();
}

}  // namespace cooper::testing
