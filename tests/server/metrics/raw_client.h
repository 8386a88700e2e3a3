#ifndef COOPER_TESTS_SERVER_METRICS_RAW_CLIENT_H_
#define COOPER_TESTS_SERVER_METRICS_RAW_CLIENT_H_

#include <string>

#include "absl/strings/string_view.h"

namespace cooper::testing {

// A TCP connection that sends what a test wants. No call blocks for longer than
// ten seconds without progress.
class RawClient {
 public:
  // To the loopback address, of IPv6 if `six`. connected() says if it worked.
  explicit RawClient(int port, bool six = false);
  RawClient(RawClient&& other) noexcept;
  RawClient& operator=(RawClient&&) = delete;
  ~RawClient();

  bool connected() const { return connected_; }
  // False: the peer takes no more.
  bool Send(absl::string_view bytes);
  // All that comes until the peer closes or resets the connection.
  std::string ReadAll();
  // Waits until something has come; false: nothing does.
  bool WaitForBytes();

 private:
  int socket_;
  bool connected_ = false;
};

// Response to `request` on a connection of its own.
std::string Exchange(int port, absl::string_view request);

}  // namespace cooper::testing

#endif  // COOPER_TESTS_SERVER_METRICS_RAW_CLIENT_H_
