#ifndef COOPER_SERVER_SECURITY_FILE_STAMP_H_
#define COOPER_SERVER_SECURITY_FILE_STAMP_H_

#include <cstdint>
#include <optional>
#include <string>

namespace cooper::security {

// What changes when a file is written or exchanged.
struct FileStamp {
  int64_t mtime_ns = 0;
  int64_t inode = 0;
  int64_t size = 0;
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

// nullopt: there is no such file, or it cannot be looked at.
std::optional<FileStamp> StampOf(const std::string& path);

}  // namespace cooper::security

#endif  // COOPER_SERVER_SECURITY_FILE_STAMP_H_
