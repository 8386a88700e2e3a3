#include "server/rpc/call_log.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/log_thread.h"
#include "base/logging.h"
#include "server/engine/core/error.h"
#include "server/rpc/status.h"

namespace cooper::rpc {
namespace {

base::LogLevel LevelOf(const absl::Status& end) {
  switch (end.code()) {
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
      return base::LogLevel::kError;
    case absl::StatusCode::kUnavailable:
      // A client that polls while the model is loaded is nothing to warn of.
      return engine::DetailsOf(end).reason == engine::ErrorReason::kLoading
                 ? base::LogLevel::kInfo
                 : base::LogLevel::kWarning;
    case absl::StatusCode::kResourceExhausted:
      return base::LogLevel::kWarning;
    default:
      return base::LogLevel::kInfo;
  }
}

}  // namespace

void LogCall(engine::Method method, const absl::Status& end,
             const CallNames& names, const grpc::ServerContextBase& context,
             absl::Duration duration) {
  if (!end.ok() &&
      !base::AdmitSampled(absl::StrCat("request ", ReasonOf(end)))) {
    return;
  }
  std::vector<base::LogField> fields = {
      {"method", engine::MethodName(method)},
      {"code", absl::StatusCodeToString(end.code())},
      {"seconds", absl::ToDoubleSeconds(duration)}};
  if (!names.request_id.empty()) {
    fields.push_back({"request_id", base::Printable(names.request_id, 128)});
  }
  if (!names.client.empty()) {
    fields.push_back({"client", base::ShortDigest(names.client)});
  }
  if (!names.trace_id.empty()) fields.push_back({"trace_id", names.trace_id});
  fields.push_back({"peer", context.peer()});
  if (!end.ok()) {
    fields.push_back({"reason", ReasonOf(end)});
    if (const auto phase = engine::DetailsOf(end).phase) {
      fields.push_back({"phase", engine::PhaseName(*phase)});
    }
  }
  base::Log(LevelOf(end), "request", fields);
}

}  // namespace cooper::rpc
