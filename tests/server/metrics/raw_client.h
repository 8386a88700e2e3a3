#ifndef COOPER_TESTS_SERVER_METRICS_RAW_CLIENT_H_
#define COOPER_TESTS_SERVER_METRICS_RAW_CLIENT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "server/metrics/file_descriptor.h"

namespace cooper::testing {

// A TCP connection that sends what a test wants, bit by bit if need be. Nothing
// waits for longer than ten seconds.
class RawClient {
 public:
  // To the loopback address, of IPv6 if `six`. connected() says if it worked.
  explicit RawClient(int port, bool six = false);

  bool connected() const { return socket_.valid(); }
  // False: the peer takes no more.
  bool Send(absl::string_view bytes);
  void EndSending();
  // All that comes until the peer closes or resets the connection.
  std::string ReadAll();
  // Waits until something has come; false: nothing does.
  bool WaitForBytes();
  // Waits up to a few milliseconds for the peer's end of the connection.
  bool PeerClosedSoon();

 private:
  metrics::FileDescriptor socket_;
};

// Response to `request` on a connection of its own.
std::string Exchange(int port, absl::string_view request);

}  // namespace cooper::testing

#endif  // COOPER_TESTS_SERVER_METRICS_RAW_CLIENT_H_
