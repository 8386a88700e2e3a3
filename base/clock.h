#ifndef COOPER_BASE_CLOCK_H_
#define COOPER_BASE_CLOCK_H_

#include "absl/time/time.h"

namespace cooper::base {

// Monotonic time. `Now()` never goes back and is not the wall clock: only
// differences mean anything. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;

  // The process's monotonic clock; lives for ever.
  static const Clock* Real();
};

}  // namespace cooper::base

#endif  // COOPER_BASE_CLOCK_H_
