#include "server/listener_probe.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/logging.h"

namespace cooper {
namespace {

// Waits for `events` of the socket until `deadline`.
bool Await(int fd, short events, absl::Time deadline) {  // NOLINT
  pollfd waited = {fd, events, 0};
  const absl::Duration left =
      std::max(deadline - absl::Now(), absl::ZeroDuration());
  return poll(&waited, 1, static_cast<int>(absl::ToInt64Milliseconds(left))) >
         0;
}

}  // namespace

ProbeAnswer ProbeOnce(const base::ListenAddress& address,
                      const std::string& greeting, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  std::string host = address.host;
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "[::]") host = "[::1]";
  if (absl::StartsWith(host, "[")) host = host.substr(1, host.size() - 2);
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), absl::StrCat(address.port).c_str(), &hints,
                  &found) != 0) {
    return ProbeAnswer::kUnknown;
  }
  const absl::Cleanup free_found = [found] { freeaddrinfo(found); };
  const int fd =
      socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return ProbeAnswer::kUnknown;
  const absl::Cleanup close_fd = [fd] { close(fd); };
  // Succeeds later, or, if the listener's queue is full, never.
  (void)connect(fd, found->ai_addr, found->ai_addrlen);
  if (!Await(fd, POLLOUT, deadline)) return ProbeAnswer::kSilent;
  (void)!send(fd, greeting.data(), greeting.size(), MSG_NOSIGNAL);
  // A connection that was closed or refused can be read, too.
  return Await(fd, POLLIN, deadline) ? ProbeAnswer::kAnswered
                                     : ProbeAnswer::kSilent;
}

ListenerProbe::ListenerProbe(const Options& options,
                             std::function<void()> on_deaf)
    : options_(options),
      on_deaf_(std::move(on_deaf)),
      last_answer_(absl::Now()),
      thread_("listener_probe", options.interval, [this] { Probe(); }) {}

void ListenerProbe::Probe() {
  const ProbeAnswer answer =
      ProbeOnce(options_.address, options_.greeting, options_.interval);
  const absl::Time now = absl::Now();
  if (answer == ProbeAnswer::kAnswered) last_answer_ = now;
  // A process that cannot try knows nothing.
  if (answer != ProbeAnswer::kSilent || told_ ||
      now - last_answer_ < options_.patience) {
    return;
  }
  told_ = true;
  base::Log(base::LogLevel::kError, "the listener accepts no connection",
            {{"grpc", options_.address.ToString()},
             {"seconds", absl::ToDoubleSeconds(now - last_answer_)}});
  on_deaf_();
}

}  // namespace cooper
