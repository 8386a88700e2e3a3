#include "client/cli/run_stream.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/cli/connect.h"
#include "client/cli/error_printer.h"
#include "client/cli/event_printer.h"
#include "client/cli/exit_code.h"
#include "client/cli/output_folder.h"
#include "client/map_joiner.h"

namespace cooper::client {
namespace {

absl::StatusOr<std::string> ToJson(const Event& event) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status =
      google::protobuf::util::MessageToJsonString(event, &json, options);
  if (!status.ok()) {
    return absl::InternalError(
        absl::StrCat("an event has no JSON: ", status.ToString()));
  }
  return json;
}

// A call's events on their way to screen and folder.
class Call {
 public:
  Call(const StreamJob& job, Console* console,
       std::optional<OutputFolder> folder)
      : job_(job),
        console_(*console),
        folder_(std::move(folder)),
        json_(absl::GetFlag(FLAGS_json)),
        printer_(console) {}

  bool any_event() const { return any_event_; }
  const Transcript& transcript() const { return transcript_; }

  // Takes an event as it came from the wire. An error is one of writing.
  absl::Status Take(Event event) {
    any_event_ = true;
    if (json_ || folder_.has_value()) {
      auto line = ToJson(event);
      if (!line.ok()) return line.status();
      if (json_) console_.Line(*line);
      if (folder_.has_value()) {
        const absl::Status status = folder_->AppendEvent(*line);
        if (!status.ok()) return status;
      }
    }
    if (event.has_map()) {
      auto whole = joiner_.Add(std::move(*event.mutable_map()));
      if (!whole.ok()) return whole.status();
      if (!whole->has_value()) return absl::OkStatus();
      *event.mutable_map() = **std::move(whole);
    }
    if (!json_) Show(event);
    // Without a folder nothing asks for the maps again.
    if (folder_.has_value() || !event.has_map()) transcript_.Add(event);
    return folder_.has_value() ? Keep(event) : absl::OkStatus();
  }

  // The call is over: the rest of the folder.
  absl::Status End(const absl::Status& outcome) {
    printer_.End();
    if (!folder_.has_value() && !json_ && outcome.ok() &&
        job_.request.command != "ask") {
      console_.Notice("the picture is kept with --out DIR");
    }
    if (!folder_.has_value() || !any_event_) return absl::OkStatus();
    absl::Status status;
    for (const auto& image : job_.request.images) {
      status.Update(folder_->Write(image.file, image.bytes));
    }
    const std::string answer = transcript_.Answer();
    if (!answer.empty()) {
      status.Update(folder_->Write("answer.txt", answer + "\n"));
    }
    status.Update(folder_->Write(
        "report.html", RenderReport(job_.request, transcript_, outcome)));
    if (status.ok()) {
      console_.Notice(
          absl::StrCat("report: ", (folder_->path() / "report.html").string()));
    }
    return status;
  }

 private:
  void Show(const Event& event) {
    printer_.Print(event, absl::Now());
    if (event.has_map() && job_.print_regions) PrintRegions(event.map());
  }

  void PrintRegions(const v1::MapResult& map) {
    const double map_px =
        std::max(1.0, static_cast<double>(map.width()) * map.height());
    for (const v1::Region& region : map.regions()) {
      console_.Line(absl::StrFormat(
          "#%06x %5.1f %% %8d px  x %d..%d  y %d..%d",
          region.colour() & 0xFFFFFF,
          100.0 * static_cast<double>(region.area()) / map_px, region.area(),
          region.left(), region.right(), region.top(), region.bottom()));
    }
  }

  absl::Status Keep(const Event& event) {
    if (event.has_map_progress() && event.map_progress().has_preview()) {
      const auto& progress = event.map_progress();
      return folder_->Write(PreviewFileName(progress.map_id(), progress.step()),
                            progress.preview());
    }
    if (!event.has_map()) return absl::OkStatus();
    const std::string name = MapFileName(event.map());
    const absl::Status status = folder_->Write(name, event.map().data());
    if (status.ok()) {
      console_.Notice(absl::StrCat("kept ", (folder_->path() / name).string()));
    }
    return status;
  }

  const StreamJob& job_;
  Console& console_;
  std::optional<OutputFolder> folder_;
  const bool json_;
  EventPrinter printer_;
  MapJoiner joiner_;
  Transcript transcript_;
  bool any_event_ = false;
};

}  // namespace

int RunStream(const StreamJob& job, const CommandContext& context) {
  std::optional<OutputFolder> folder;
  const auto out = absl::GetFlag(FLAGS_out);
  if (out.has_value()) {
    auto created = OutputFolder::Create(*out);
    if (!created.ok()) {
      return UsageError(context, job.request.command,
                        std::string(created.status().message()));
    }
    folder = *std::move(created);
  }
  CallOptions call_options;
  call_options.join_maps = false;  // events are kept as they came
  int exit_code = 0;
  auto client =
      ConnectByFlags(context, job.request.command, &call_options, &exit_code);
  if (!client.ok()) return exit_code;

  const std::shared_ptr<EventStream> stream = job.start(**client, call_options);
  context.interrupt->SetHandler([stream] { stream->Cancel(); });
  Call call(job, context.console, std::move(folder));
  absl::Status written;
  Event event;
  while (written.ok() && context.console->good() && stream->Next(&event)) {
    written = call.Take(std::move(event));
  }
  if (written.ok() && !context.console->good()) {
    written = absl::DataLossError("cannot write to standard output");
  }
  if (!written.ok()) {
    stream->Cancel();
    while (stream->Next(&event)) {
    }
  }
  const absl::Status outcome = written.ok() ? stream->Finish() : written;
  context.interrupt->SetHandler(nullptr);

  const absl::Status kept = call.End(outcome);
  if (context.interrupt->signal() != 0 && !outcome.ok()) {
    context.console->Problem("cooper: cancelled");
    return 128 + context.interrupt->signal();
  }
  if (!outcome.ok()) {
    PrintError(outcome, context.console);
    return ExitCodeOf(outcome, call.any_event());
  }
  if (!kept.ok()) {
    PrintError(kept, context.console);
    return kFailed;
  }
  return call.transcript().finished()->reason() == v1::FINISH_REASON_ANSWERED
             ? kAnswered
             : kFailed;
}

}  // namespace cooper::client
