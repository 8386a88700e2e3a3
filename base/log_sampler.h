#ifndef COOPER_BASE_LOG_SAMPLER_H_
#define COOPER_BASE_LOG_SAMPLER_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace cooper::base {

// Which lines of a kind are logged, where one client can cause many: the first
// `per_second` of each second. Thread-safe; never blocks for long. Kinds come
// from a closed set.
class LogSampler {
 public:
  explicit LogSampler(int per_second) : per_second_(per_second) {}

  // Whether a line of `kind` at `now` is logged.
  bool Admit(absl::string_view kind, absl::Time now)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The kinds of which lines were left out in seconds that are over at `now`,
  // and how many; forgets them.
  std::vector<std::pair<std::string, int64_t>> TakeLeftOut(absl::Time now)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Kind {
    absl::Time second = absl::InfinitePast();  // when it began
    int admitted = 0;                          // in this second
    int64_t left_out = 0;                      // since the last TakeLeftOut
  };

  const int per_second_;
  Mutex mutex_;
  std::map<std::string, Kind, std::less<>> kinds_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cooper::base

#endif  // COOPER_BASE_LOG_SAMPLER_H_
