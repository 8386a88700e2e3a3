#include "client/cli/output_folder.h"

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/proto_names.h"

namespace cooper::client {
namespace {

absl::Status CannotWrite(const std::filesystem::path& path) {
  return absl::DataLossError(
      absl::StrCat("cannot write ", path.string(), ": ",
                   std::generic_category().message(errno)));
}

std::string KindAndRole(const v1::MapResult& map) {
  return absl::StrCat(ShortName(map.kind()), "-", ShortName(map.role()));
}

const char* Extension(const v1::MapResult& map) {
  return map.encoding() == v1::MAP_ENCODING_RAW_FLOAT32 ? ".f32" : ".png";
}

}  // namespace

absl::StatusOr<OutputFolder> OutputFolder::Create(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!std::filesystem::is_directory(path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--out: cannot make the folder ", path, ": ",
                     error ? error.message() : "a file is in its place"));
  }
  OutputFolder folder{std::filesystem::path(path)};
  const auto events = folder.path_ / "events.jsonl";
  folder.events_.open(events, std::ios::binary | std::ios::trunc);
  if (!folder.events_) {
    return absl::InvalidArgumentError(
        absl::StrCat("--out: ", CannotWrite(events).message()));
  }
  return folder;
}

absl::Status OutputFolder::Write(const std::string& name,
                                 absl::string_view bytes) {
  const auto path = path_ / name;
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  return file ? absl::OkStatus() : CannotWrite(path);
}

absl::Status OutputFolder::AppendEvent(absl::string_view json_line) {
  events_ << json_line << '\n' << std::flush;
  return events_ ? absl::OkStatus() : CannotWrite(path_ / "events.jsonl");
}

std::string MapFileName(const v1::MapResult& map) {
  return absl::StrCat("map", map.map_id(), "-", KindAndRole(map),
                      Extension(map));
}

absl::StatusOr<std::string> WriteMapFile(const std::string& stem,
                                         const v1::MapResult& map) {
  const std::string name = absl::StrCat(stem, "-", KindAndRole(map));
  for (int number = 1;; ++number) {
    std::string path = absl::StrCat(
        name, number > 1 ? absl::StrCat("-", number) : "", Extension(map));
    errno = 0;
    // "x": only where there is no such file.
    std::FILE* const file = std::fopen(path.c_str(), "wbx");
    if (file == nullptr && errno == EEXIST) continue;
    if (file == nullptr) return CannotWrite(path);
    const bool whole = std::fwrite(map.data().data(), 1, map.data().size(),
                                   file) == map.data().size();
    if (std::fclose(file) != 0 || !whole) return CannotWrite(path);
    return path;
  }
}

std::string PreviewFileName(int map_id, int step) {
  return absl::StrFormat("map%d-preview-%03d.png", map_id, step);
}

}  // namespace cooper::client
