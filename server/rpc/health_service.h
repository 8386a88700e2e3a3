#ifndef COOPER_SERVER_RPC_HEALTH_SERVICE_H_
#define COOPER_SERVER_RPC_HEALTH_SERVICE_H_

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "grpc/health/v1/health.pb.h"
#include "server/rpc/method_table.h"
#include "server/rpc/stall_watch.h"

namespace cooper::rpc {

// grpc.health.v1.Health, which every caller may ask. Requests are at most 1 KiB
// large. At most 1,000 calls watch at once; more are refused with
// RESOURCE_EXHAUSTED.
//
// Thread-safe; handlers never block. It must outlive the server's calls.
class HealthService final {
 public:
  static constexpr char kName[] = "grpc.health.v1.Health";

  // What is given outlives it.
  HealthService(StallWatch* stalls, const base::Clock* clock,
                absl::Duration receive_timeout)
      : stalls_(*stalls), clock_(*clock), receive_timeout_(receive_timeout) {}

  // Adds its methods; it must outlive the table.
  void AddTo(MethodTable* methods);

  // Says whether `service` serves, also to those who watch it.
  void Set(const std::string& service, bool serving)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends the calls that watch; later ones end at once.
  void EndWatches() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Response = grpc::health::v1::HealthCheckResponse;
  class Call;

  // SERVICE_UNKNOWN of a service that was never set.
  Response::ServingStatus StateLocked(const std::string& service) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Response::ServingStatus StateOf(const std::string& service)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Tells the call the state now and whenever it changes. False: too many
  // watch, or the server ends.
  bool Watch(Call* call) ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(Call* call) ABSL_LOCKS_EXCLUDED(mutex_);

  StallWatch& stalls_;
  const base::Clock& clock_;
  const absl::Duration receive_timeout_;
  base::Mutex mutex_;  // comes before a call's
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<std::string, bool> serving_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<Call*> watches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_HEALTH_SERVICE_H_
