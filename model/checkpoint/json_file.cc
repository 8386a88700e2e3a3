#include "model/checkpoint/json_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/logging.h"
#include "model/checkpoint/file_lookup.h"

namespace cooper::checkpoint {
namespace {

constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

absl::StatusOr<std::string> ReadTextFile(const std::string& path,
                                         size_t max_bytes) {
  // O_NONBLOCK: a FIFO in place of the file is an error, not a hang.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return absl::ErrnoToStatus(errno, path);
  const auto close_fd = [](const int* held) { ::close(*held); };
  const std::unique_ptr<const int, decltype(close_fd)> closer(&fd, close_fd);
  struct stat info;
  if (::fstat(fd, &info) != 0) return absl::ErrnoToStatus(errno, path);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not a regular file"));
  }
  if (static_cast<size_t>(info.st_size) > max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": ", info.st_size, " bytes, more than the limit ", max_bytes));
  }
  std::string text(info.st_size, '\0');
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t got = ::read(fd, text.data() + done, text.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, path);
    if (got == 0) break;
    done += got;
  }
  text.resize(done);
  if (const auto foreign = ForeignContent(text)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", *foreign));
  }
  if (absl::StartsWith(text, kByteOrderMark)) {
    text.erase(0, kByteOrderMark.size());
  }
  return text;
}

absl::StatusOr<nlohmann::json> ParseJsonObject(const std::string& text,
                                               absl::string_view file) {
  using nlohmann::json;
  const auto invalid = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", what));
  };
  // nlohmann takes a NUL for the end of the input.
  if (text.find('\0') != std::string::npos) {
    return invalid("not JSON: NUL byte");
  }
  // nlohmann keeps the last of repeated keys without a word.
  std::vector<std::unordered_set<std::string>> open_objects;
  std::string repeated;
  const auto watch = [&](int, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) {
      open_objects.emplace_back();
    } else if (event == json::parse_event_t::object_end) {
      open_objects.pop_back();
    } else if (event == json::parse_event_t::key && repeated.empty()) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!open_objects.back().insert(key).second) {
        repeated = absl::StrCat("key \"", base::Printable(key), "\" repeated");
      }
    }
    return true;
  };
  json value;
  try {
    value = json::parse(text, watch);
  } catch (const json::exception& error) {
    return invalid(
        absl::StrCat("not JSON: ", base::Printable(error.what(), 200)));
  }
  if (!repeated.empty()) return invalid(repeated);
  if (!value.is_object()) return invalid("not a JSON object");
  return value;
}

}  // namespace cooper::checkpoint
