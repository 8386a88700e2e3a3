#ifndef COOPER_SERVER_PEER_TIMES_H_
#define COOPER_SERVER_PEER_TIMES_H_

#include "absl/time/time.h"

namespace cooper {

// How long peers may take. Each at least 1 ms.
struct PeerTimes {
  // For TLS, and for the first frames of HTTP/2.
  absl::Duration handshake = absl::Seconds(20);
  // A peer that was silent for so long is pinged, and its connection is closed
  // if it does not answer within the timeout: one that vanished is noticed
  // within their sum.
  absl::Duration keepalive = absl::Seconds(20);
  absl::Duration keepalive_timeout = absl::Seconds(10);
  // Peers that ping more often are sent away. Through a long silence they may
  // ping every 10 s; the second less is for the network.
  absl::Duration min_ping_interval = absl::Seconds(9);
};

}  // namespace cooper

#endif  // COOPER_SERVER_PEER_TIMES_H_
