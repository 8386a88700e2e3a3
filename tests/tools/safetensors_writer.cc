#include "tests/tools/safetensors_writer.h"

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace cooper::checkpoint {
namespace {

constexpr size_t kHeaderAlignment = 8;

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// Bytes of one entry's data, or an error that names it.
absl::StatusOr<int64_t> EntryBytes(const SafetensorsWriter::Entry& entry) {
  int64_t bytes = DTypeBytes(entry.dtype);
  for (const int64_t size : entry.shape) {
    if (size < 0 || __builtin_mul_overflow(bytes, size, &bytes)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor \"", entry.name, "\": bad shape (size ", size, ")"));
    }
  }
  return bytes;
}

}  // namespace

struct SafetensorsWriter::State {
  std::string path;
  std::unique_ptr<std::FILE, FileCloser> file;
  int64_t missing_bytes = 0;  // of the data section
};

SafetensorsWriter::SafetensorsWriter(std::unique_ptr<State> state)
    : state_(std::move(state)) {}
SafetensorsWriter::~SafetensorsWriter() = default;

absl::StatusOr<std::unique_ptr<SafetensorsWriter>> SafetensorsWriter::Create(
    const std::string& path, const std::vector<Entry>& entries) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  std::set<std::string> names;
  int64_t offset = 0;
  for (const Entry& entry : entries) {
    if (entry.name == "__metadata__" || !names.insert(entry.name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": tensor \"", entry.name, "\": name taken"));
    }
    const absl::StatusOr<int64_t> bytes = EntryBytes(entry);
    if (!bytes.ok()) return base::Annotate(bytes.status(), path);
    const int64_t begin = offset;
    if (__builtin_add_overflow(offset, *bytes, &offset)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": more than 2^63 bytes"));
    }
    // push_back, not operator[]: ordered_json looks a key up linearly.
    header.get_ref<nlohmann::ordered_json::object_t&>().emplace_back(
        entry.name, nlohmann::ordered_json{{"dtype", DTypeName(entry.dtype)},
                                           {"shape", entry.shape},
                                           {"data_offsets", {begin, offset}}});
  }
  std::string text =
      header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.append(
      (kHeaderAlignment - text.size() % kHeaderAlignment) % kHeaderAlignment,
      ' ');
  std::string prefix(8, '\0');
  for (int i = 0; i < 8; ++i) {
    prefix[i] = static_cast<char>(uint64_t{text.size()} >> 8 * i);
  }

  auto state = std::make_unique<State>();
  state->path = path;
  state->missing_bytes = offset;
  state->file.reset(std::fopen(path.c_str(), "wbe"));
  if (state->file == nullptr) return absl::ErrnoToStatus(errno, path);
  prefix += text;
  if (std::fwrite(prefix.data(), 1, prefix.size(), state->file.get()) !=
      prefix.size()) {
    return absl::ErrnoToStatus(errno, path);
  }
  return std::unique_ptr<SafetensorsWriter>(
      new SafetensorsWriter(std::move(state)));
}

absl::Status SafetensorsWriter::Append(const void* data, size_t bytes) {
  if (state_->file == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat(state_->path, ": closed"));
  }
  if (static_cast<int64_t>(bytes) > state_->missing_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(state_->path, ": more data than the entries hold"));
  }
  if (std::fwrite(data, 1, bytes, state_->file.get()) != bytes) {
    return absl::ErrnoToStatus(errno, state_->path);
  }
  state_->missing_bytes -= static_cast<int64_t>(bytes);
  return absl::OkStatus();
}

absl::Status SafetensorsWriter::Close() {
  if (state_->file == nullptr) return absl::OkStatus();
  std::FILE* file = state_->file.release();
  if (std::fclose(file) != 0) return absl::ErrnoToStatus(errno, state_->path);
  if (state_->missing_bytes != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        state_->path, ": ", state_->missing_bytes, " bytes of data missing"));
  }
  return absl::OkStatus();
}

}  // namespace cooper::checkpoint
