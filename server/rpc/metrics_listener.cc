#include "server/rpc/metrics_listener.h"

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"

namespace cooper::rpc {

absl::StatusOr<std::unique_ptr<MetricsListener>> MetricsListener::Start(
    const ListenAddress& listen,
    std::vector<std::shared_ptr<prometheus::Collectable>> collected) {
  std::unique_ptr<MetricsListener> listener(new MetricsListener);
  listener->collected_ = std::move(collected);
  listener->address_ = listen;
  try {
    listener->exposer_ =
        std::make_unique<prometheus::Exposer>(listen.ToString());
    for (const auto& collectable : listener->collected_) {
      listener->exposer_->RegisterCollectable(collectable);
    }
  } catch (const std::exception&) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen on ", listen.ToString(), " (is the port in use?)"));
  }
  listener->address_.port = listener->exposer_->GetListeningPorts().at(0);
  return listener;
}

MetricsListener::~MetricsListener() = default;

}  // namespace cooper::rpc
