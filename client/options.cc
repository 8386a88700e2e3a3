#include "cooper/client/options.h"

namespace cooper::client {

absl::Status ClientOptions::Validate() const {
  if (target.empty()) return absl::InvalidArgumentError("target is empty");
  if (connect_timeout < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("connect_timeout is negative");
  }
  if (tls_cert_file.empty() != tls_key_file.empty()) {
    return absl::InvalidArgumentError(
        "tls_cert and tls_key come together: one is not set");
  }
  return absl::OkStatus();
}

}  // namespace cooper::client
