#ifndef COOPER_CLIENT_CLI_CALL_RECORD_H_
#define COOPER_CLIENT_CLI_CALL_RECORD_H_

#include <google/protobuf/message.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/console.h"
#include "client/cli/event_printer.h"
#include "client/cli/output_folder.h"
#include "client/report/report.h"
#include "cooper/client/event.h"
#include "cooper/client/map_joiner.h"

namespace cooper::client {

// One line; fields by their names in the protocol.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message);

// A call's (or a turn's) events on their way to screen and folder. Not
// thread-safe.
class CallRecord {
 public:
  // `request` and `console` must outlive it. Without a folder, and without
  // --json, a command that is about maps keeps them in the working directory.
  // `print_regions`: those of a segmentation, as a table on standard output.
  CallRecord(const ReportRequest& request, bool print_regions, Console* console,
             std::optional<OutputFolder> folder);

  bool any_event() const { return any_event_; }
  const Transcript& transcript() const { return transcript_; }

  // Takes an event as it came from the wire. An error is one of writing.
  absl::Status Take(Event event);
  // The call is over: the rest of the folder.
  absl::Status End(const absl::Status& outcome);

 private:
  void Show(const Event& event);
  void PrintRegions(const v1::MapResult& map);
  absl::Status Keep(const Event& event);
  absl::Status KeepMap(const v1::MapResult& map);

  const ReportRequest& request_;
  const bool print_regions_;
  Console& console_;
  std::optional<OutputFolder> folder_;
  const bool json_;
  EventPrinter printer_;
  MapJoiner joiner_;
  Transcript transcript_;
  bool any_event_ = false;
};

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_CALL_RECORD_H_
