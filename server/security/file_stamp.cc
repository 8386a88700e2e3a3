#include "server/security/file_stamp.h"

#include <sys/stat.h>

namespace cooper::security {

std::optional<FileStamp> StampOf(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return std::nullopt;
  return FileStamp{
      int64_t{info.st_mtim.tv_sec} * 1000000000 + info.st_mtim.tv_nsec,
      static_cast<int64_t>(info.st_ino), static_cast<int64_t>(info.st_size)};
}

}  // namespace cooper::security
