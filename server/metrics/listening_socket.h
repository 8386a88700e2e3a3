#ifndef COOPER_SERVER_METRICS_LISTENING_SOCKET_H_
#define COOPER_SERVER_METRICS_LISTENING_SOCKET_H_

#include "absl/status/statusor.h"
#include "base/listen_address.h"
#include "server/metrics/file_descriptor.h"

namespace cooper::metrics {

// A non-blocking TCP socket that listens, and the port that it got.
struct ListeningSocket {
  FileDescriptor fd;
  int port = 0;
};

// A name that has several addresses listens on the first that this machine
// has; "[::]" takes IPv4 too. Blocks while a name is looked up. UNAVAILABLE:
// cannot listen there, and why.
absl::StatusOr<ListeningSocket> Listen(const base::ListenAddress& address);

}  // namespace cooper::metrics

#endif  // COOPER_SERVER_METRICS_LISTENING_SOCKET_H_
