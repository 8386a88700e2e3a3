#include "server/metrics/metrics_listener.h"

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <iterator>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "server/metrics/connection_loop.h"
#include "server/metrics/listening_socket.h"

namespace cooper::metrics {
namespace {

std::string Text(const MetricsListener::Collectables& collected) {
  std::vector<prometheus::MetricFamily> families;
  for (const auto& collectable : collected) {
    std::vector<prometheus::MetricFamily> some = collectable->Collect();
    families.insert(families.end(), std::make_move_iterator(some.begin()),
                    std::make_move_iterator(some.end()));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace

absl::Status MetricsListenerOptions::Validate() const {
  if (max_connections < 1) {
    return absl::InvalidArgumentError("max_connections: must be at least 1");
  }
  if (timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("timeout: must be positive");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<MetricsListener>> MetricsListener::Start(
    const base::ListenAddress& listen, Collectables collected,
    const MetricsListenerOptions& options) {
  COOPER_RETURN_IF_ERROR(options.Validate());
  COOPER_ASSIGN_OR_RETURN(ListeningSocket listening, Listen(listen));
  std::unique_ptr<MetricsListener> listener(new MetricsListener);
  listener->address_ = {listen.host, listening.port};
  listener->stop_ = FileDescriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!listener->stop_.valid()) return absl::ErrnoToStatus(errno, "eventfd");
  auto loop = std::make_unique<ConnectionLoop>(
      std::move(listening.fd), listener->stop_.get(), options.max_connections,
      options.timeout,
      [collected = std::move(collected)] { return Text(collected); });
  listener->thread_ = std::thread([loop = std::move(loop)] { loop->Run(); });
  pthread_setname_np(listener->thread_.native_handle(), "metrics");
  return listener;
}

MetricsListener::~MetricsListener() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

}  // namespace cooper::metrics
