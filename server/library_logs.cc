#include "server/library_logs.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <string>

#include "absl/strings/match.h"
#include "base/log_thread.h"
#include "base/logging.h"

namespace cooper {
namespace {

// gRPC's own words, as lines of our log.
void LogGrpc(gpr_log_func_args* args) {
  base::LogSampled("grpc",
                   args->severity == GPR_LOG_SEVERITY_ERROR
                       ? base::LogLevel::kWarning
                       : base::LogLevel::kInfo,
                   "grpc", {{"text", args->message}});
  // The process aborts next.
  if (absl::StrContains(args->message, "assertion failed")) base::FlushLog();
}

// The same of protobuf, which tells of strings that are not UTF-8.
void LogProtobuf(google::protobuf::LogLevel level, const char*, int,
                 const std::string& message) {
  base::LogSampled("protobuf", base::LogLevel::kInfo, "protobuf",
                   {{"text", base::Printable(message, 500)}});
  if (level == google::protobuf::LOGLEVEL_FATAL) base::FlushLog();
}

}  // namespace

void TakeLibraryLogs() {
  gpr_set_log_function(LogGrpc);
  google::protobuf::SetLogHandler(LogProtobuf);
}

}  // namespace cooper
