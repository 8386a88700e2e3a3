#ifndef COOPER_BASE_CHECK_H_
#define COOPER_BASE_CHECK_H_

namespace cooper::base {

// Says so on standard error (in the log's format) and aborts.
[[noreturn]] void CheckFailed(const char* file, int line,
                              const char* condition);

}  // namespace cooper::base

// Ends the process when an invariant of our own is broken. Never used on
// input, on a model's result or on I/O: those are a Status.
#define COOPER_CHECK(condition)                                    \
  do {                                                             \
    if (!(condition)) {                                            \
      ::cooper::base::CheckFailed(__FILE__, __LINE__, #condition); \
    }                                                              \
  } while (false)

#endif  // COOPER_BASE_CHECK_H_
