#include "server/metrics/metrics_listener.h"

#include <civetweb.h>
#include <dlfcn.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <future>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

// civetweb asks for thread stacks of 100 KiB, and has no option for more. glibc
// takes the thread-local storage of all linked libraries out of a thread's
// stack: 185 KiB in the CUDA build, of which 92 KiB are cublasLt's. A thread
// then cannot start, or runs out of its stack. This definition precedes glibc's
// in the whole process and gives every thread that asks for less 1 MiB of
// address space.
// NOLINTNEXTLINE(readability-identifier-naming): the name of POSIX.
extern "C" __attribute__((visibility("default"))) int pthread_attr_setstacksize(
    pthread_attr_t* attributes, size_t bytes) noexcept {
  constexpr size_t kLeastBytes = size_t{1} << 20;
  static const auto kSet = reinterpret_cast<int (*)(pthread_attr_t*, size_t)>(
      dlsym(RTLD_NEXT, "pthread_attr_setstacksize"));
  return kSet(attributes, std::max(bytes, kLeastBytes));
}

namespace cooper::metrics {
namespace {

constexpr int kMaxThreads = 1024;

// Connections that the kernel accepts, and that wait for a thread, beyond those
// that are served.
constexpr char kBacklog[] = "128";

// civetweb takes "[::]:PORT" for IPv6 only; its name for both is "+PORT".
std::string ListeningPorts(const base::ListenAddress& listen) {
  return listen.host == "[::]" ? absl::StrCat("+", listen.port)
                               : listen.ToString();
}

bool IsIpv6(const base::ListenAddress& listen) {
  return absl::StartsWith(listen.host, "[");
}

}  // namespace

absl::Status MetricsListenerOptions::Validate() const {
  if (threads < 1 || threads > kMaxThreads) {
    return absl::InvalidArgumentError(
        absl::StrCat("threads: must be in [1, ", kMaxThreads, "]"));
  }
  if (timeout < absl::Milliseconds(1) || timeout > absl::Hours(1)) {
    return absl::InvalidArgumentError(
        "timeout: must be from one millisecond to one hour");
  }
  return absl::OkStatus();
}

MetricsListener::MetricsListener() = default;

MetricsListener::~MetricsListener() {
  if (exposer_ == nullptr) return;
  const auto stopped =
      std::async(std::launch::async, [this] { exposer_.reset(); });
  // civetweb's accepting thread sees that it shall stop when a connection
  // comes, else only every two seconds.
  const std::string host(
      absl::StripPrefix(absl::StripSuffix(address_.host, "]"), "["));
  while (stopped.wait_for(std::chrono::milliseconds(10)) !=
         std::future_status::ready) {
    char error[64];
    mg_connection* connection = mg_connect_client(
        host.c_str(), address_.port, /*use_ssl=*/0, error, sizeof(error));
    if (connection != nullptr) mg_close_connection(connection);
  }
}

absl::StatusOr<std::unique_ptr<MetricsListener>> MetricsListener::Start(
    const base::ListenAddress& listen, Collectables collected,
    const MetricsListenerOptions& options) {
  COOPER_RETURN_IF_ERROR(options.Validate());
  if (IsIpv6(listen) && mg_check_feature(MG_FEATURES_IPV6) == 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", listen.ToString(),
                     ": this machine's civetweb is built without IPv6"));
  }
  std::unique_ptr<MetricsListener> listener(new MetricsListener);
  listener->address_ = listen;
  listener->collected_ = std::move(collected);
  const std::vector<std::string> civetweb_options = {
      "listening_ports",
      ListeningPorts(listen),
      "num_threads",
      absl::StrCat(options.threads),
      "request_timeout_ms",
      absl::StrCat(absl::ToInt64Milliseconds(options.timeout)),
      "listen_backlog",
      kBacklog,
      "connection_queue",
      kBacklog};
  try {
    listener->exposer_ =
        std::make_unique<prometheus::Exposer>(civetweb_options);
    for (const auto& collectable : listener->collected_) {
      listener->exposer_->RegisterCollectable(collectable);
    }
    listener->address_.port = listener->exposer_->GetListeningPorts().at(0);
  } catch (const std::exception&) {
    // civetweb does not say why.
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", listen.ToString(),
                     ": is the port in use, and the address this machine's?"));
  }
  return listener;
}

}  // namespace cooper::metrics
