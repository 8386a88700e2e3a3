#include "client/cli/call_record.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/cli/flags.h"

namespace cooper::client {

absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status =
      google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) {
    return absl::InternalError(
        absl::StrCat("an event has no JSON: ", status.ToString()));
  }
  return json;
}

namespace {

// What a map's file is named after: the first image's file, without extension.
std::string StemOf(const ReportRequest& request) {
  if (request.images.empty()) return "generated";
  const std::string& name = request.images.front().name;
  if (name == "standard input") return "stdin";
  const std::string stem = std::filesystem::path(name).stem().string();
  return stem.empty() ? "image" : stem;
}

}  // namespace

CallRecord::CallRecord(const ReportRequest& request, bool print_regions,
                       Console* console, std::optional<OutputFolder> folder)
    : request_(request),
      print_regions_(print_regions),
      console_(*console),
      folder_(std::move(folder)),
      json_(absl::GetFlag(FLAGS_json)),
      printer_(console) {}

absl::Status CallRecord::Take(Event event) {
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
  return Keep(event);
}

absl::Status CallRecord::End(const absl::Status& outcome) {
  printer_.End();
  if (!folder_.has_value() || !any_event_) return absl::OkStatus();
  absl::Status status;
  for (const auto& image : request_.images) {
    status.Update(folder_->Write(image.file, image.bytes));
  }
  const std::string answer = transcript_.Answer();
  if (!answer.empty()) {
    status.Update(folder_->Write("answer.txt", answer + "\n"));
  }
  status.Update(folder_->Write("report.html",
                               RenderReport(request_, transcript_, outcome)));
  if (status.ok()) {
    console_.Notice(
        absl::StrCat("report: ", (folder_->path() / "report.html").string()));
  }
  return status;
}

void CallRecord::Show(const Event& event) {
  printer_.Print(event, absl::Now());
  if (event.has_map() && print_regions_) PrintRegions(event.map());
}

void CallRecord::PrintRegions(const v1::MapResult& map) {
  const double map_px =
      std::max(1.0, static_cast<double>(map.width()) * map.height());
  for (const v1::Region& region : map.regions()) {
    console_.Line(absl::StrFormat(
        "#%06x %5.1f %% %8d px  x %d..%d  y %d..%d", region.colour() & 0xFFFFFF,
        100.0 * static_cast<double>(region.area()) / map_px, region.area(),
        region.left(), region.right(), region.top(), region.bottom()));
  }
}

absl::Status CallRecord::Keep(const Event& event) {
  if (event.has_map()) return KeepMap(event.map());
  if (folder_.has_value() && event.has_map_progress() &&
      event.map_progress().has_preview()) {
    const auto& progress = event.map_progress();
    return folder_->Write(PreviewFileName(progress.map_id(), progress.step()),
                          progress.preview());
  }
  return absl::OkStatus();
}

absl::Status CallRecord::KeepMap(const v1::MapResult& map) {
  std::string path;
  if (folder_.has_value()) {
    const std::string name = MapFileName(map);
    const absl::Status status = folder_->Write(name, map.data());
    if (!status.ok()) return status;
    path = (folder_->path() / name).string();
  } else {
    if (json_ || request_.command == "ask" || request_.command == "chat") {
      return absl::OkStatus();
    }
    const auto written = WriteMapFile(StemOf(request_), map);
    if (!written.ok()) return written.status();
    path = *written;
  }
  console_.Notice(absl::StrCat("kept ", path));
  return absl::OkStatus();
}

}  // namespace cooper::client
