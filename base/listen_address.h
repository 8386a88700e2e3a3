#ifndef COOPER_BASE_LISTEN_ADDRESS_H_
#define COOPER_BASE_LISTEN_ADDRESS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cooper::base {

// Where a server listens: "HOST:PORT", "[IPV6]:PORT". Port 0: any free one.
struct ListenAddress {
  std::string host;  // with the brackets of an IPv6 address
  int port = 0;      // 0..65535

  // INVALID_ARGUMENT: not of that form.
  static absl::StatusOr<ListenAddress> Parse(absl::string_view text);
  std::string ToString() const;
  // Whether only this machine reaches it: 127.0.0.0/8, ::1 or localhost.
  bool IsLoopback() const;
};

}  // namespace cooper::base

#endif  // COOPER_BASE_LISTEN_ADDRESS_H_
