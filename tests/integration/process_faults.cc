// Preloaded into a server, faults of the machine below it.
// COOPER_CLOCK_OFFSET names a file: the real-time clock is off by as many
// seconds as it holds; other clocks run on. COOPER_READ_ERROR names a file:
// reading it beyond its first 64 KiB is an I/O error, as of a disk with a bad
// sector.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace {

long OffsetSeconds() {
  const char* path = std::getenv("COOPER_CLOCK_OFFSET");
  std::FILE* file = path == nullptr ? nullptr : std::fopen(path, "re");
  long seconds = 0;
  if (file != nullptr) {
    if (std::fscanf(file, "%ld", &seconds) != 1) seconds = 0;
    std::fclose(file);
  }
  return seconds;
}

constexpr off_t kGoodBytes = 64 << 10;

bool IsFaulty(int fd, off_t end) {
  const char* path = std::getenv("COOPER_READ_ERROR");
  struct stat faulty = {};
  struct stat open = {};
  return path != nullptr && end > kGoodBytes && stat(path, &faulty) == 0 &&
         fstat(fd, &open) == 0 && open.st_ino == faulty.st_ino &&
         open.st_dev == faulty.st_dev;
}

timespec Now() {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return now;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const long result = syscall(SYS_clock_gettime, clock, time);
  if (result == 0 && clock == CLOCK_REALTIME) time->tv_sec += OffsetSeconds();
  return static_cast<int>(result);
}

ssize_t pread(int fd, void* to, size_t bytes, off_t offset) {
  if (IsFaulty(fd, offset + static_cast<off_t>(bytes))) {
    errno = EIO;
    return -1;
  }
  return syscall(SYS_pread64, fd, to, bytes, offset);
}

ssize_t pread64(int fd, void* to, size_t bytes, off64_t offset) {
  return pread(fd, to, bytes, offset);
}

int gettimeofday(timeval* time, void* /*zone*/) noexcept {
  const timespec now = Now();
  *time = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* out) noexcept {
  const time_t now = Now().tv_sec;
  if (out != nullptr) *out = now;
  return now;
}

}  // extern "C"
