#ifndef COOPER_CLIENT_ERROR_H_
#define COOPER_CLIENT_ERROR_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace cooper::client {

// What a failed call told: the status and the google.rpc details that came
// with it. Every Status of this library can be looked at this way; one that
// arose here and not on the server has no reason.
struct Error {
  // A field of the request that the server refused.
  struct FieldViolation {
    std::string field;
    std::string description;
  };

  absl::StatusCode code = absl::StatusCode::kOk;
  std::string message;
  // google.rpc.ErrorInfo: stable, for programs, as "QUEUE_FULL".
  std::string reason;
  std::string domain;
  std::map<std::string, std::string> metadata;
  // google.rpc.BadRequest.
  std::vector<FieldViolation> violations;
  // google.rpc.RetryInfo: wait at least this long, then try again.
  std::optional<absl::Duration> retry_delay;

  static Error FromStatus(const absl::Status& status);
};

// A Status with a gRPC code and message, and the bytes of the trailer
// grpc-status-details-bin (a google.rpc.Status; empty: none) kept for
// Error::FromStatus. `code` outside 0..16 becomes UNKNOWN.
absl::Status MakeStatus(int code, absl::string_view message,
                        absl::string_view details);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_ERROR_H_
