#ifndef COOPER_CLIENT_OPTIONS_H_
#define COOPER_CLIENT_OPTIONS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cooper/client/map_joiner.h"

namespace cooper::client {

// Where the server is and how to reach it.
struct ClientOptions {
  // A gRPC target, as "localhost:8001" or "dns:///name:port".
  std::string target = "localhost:8001";

  // How long Connect waits for a connection. Zero: do not wait; the first call
  // then finds out.
  absl::Duration connect_timeout = absl::Seconds(5);

  // Use one connection together with the process's other clients that have the
  // same options. False: a connection of its own.
  bool share_connection = true;

  // Encrypt. Implied by each of the files below.
  bool tls = false;
  // PEM file of the authorities that may sign the server's certificate. Empty:
  // the system's.
  std::string tls_ca_file;
  // PEM files with which this client shows who it is: both or neither.
  std::string tls_cert_file;
  std::string tls_key_file;

  // File with a token, sent with every call as "authorization: Bearer TOKEN".
  // White space around it is dropped. Empty: none.
  std::string auth_token_file;

  // INVALID_ARGUMENT names the field that is wrong.
  absl::Status Validate() const;
};

// How one call runs.
struct CallOptions {
  // From now on; late, the call ends with DEADLINE_EXCEEDED.
  absl::Duration timeout = absl::InfiniteDuration();

  // Streams: maps that come in several parts are joined before Next gives
  // them. False: parts are given as they come.
  bool join_maps = true;

  // Streams: bytes of maps that are held while they are joined.
  int64_t max_map_bytes = MapJoiner::kDefaultMaxBytes;
};

}  // namespace cooper::client

#endif  // COOPER_CLIENT_OPTIONS_H_
