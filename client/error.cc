#include "cooper/client/error.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace cooper::client {
namespace {

constexpr char kDetailsUrl[] = "type.googleapis.com/google.rpc.Status";

void ReadDetail(const google::protobuf::Any& detail, Error* error) {
  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad_request;
  google::rpc::RetryInfo retry;
  if (detail.UnpackTo(&info)) {
    error->reason = info.reason();
    error->domain = info.domain();
    error->metadata.insert(info.metadata().begin(), info.metadata().end());
  } else if (detail.UnpackTo(&bad_request)) {
    for (const auto& violation : bad_request.field_violations()) {
      error->violations.push_back({violation.field(), violation.description()});
    }
  } else if (detail.UnpackTo(&retry)) {
    const absl::Duration delay = absl::Seconds(retry.retry_delay().seconds()) +
                                 absl::Nanoseconds(retry.retry_delay().nanos());
    error->retry_delay = std::max(delay, absl::ZeroDuration());
  }
}

}  // namespace

Error Error::FromStatus(const absl::Status& status) {
  Error error;
  error.code = status.code();
  error.message = std::string(status.message());
  const auto payload = status.GetPayload(kDetailsUrl);
  if (!payload.has_value()) return error;
  google::rpc::Status details;
  // Details that do not parse are no details: code and message still hold.
  if (!details.ParseFromString(std::string(*payload))) return error;
  for (const auto& detail : details.details()) ReadDetail(detail, &error);
  return error;
}

absl::Status MakeStatus(int code, absl::string_view message,
                        absl::string_view details) {
  constexpr int kLastCode =
      static_cast<int>(absl::StatusCode::kUnauthenticated);
  if (code < 0 || code > kLastCode) {
    code = static_cast<int>(absl::StatusCode::kUnknown);
  }
  absl::Status status(static_cast<absl::StatusCode>(code), message);
  if (!status.ok() && !details.empty()) {
    status.SetPayload(kDetailsUrl, absl::Cord(details));
  }
  return status;
}

}  // namespace cooper::client
