#ifndef COOPER_SERVER_BASE_CHECK_H_
#define COOPER_SERVER_BASE_CHECK_H_

#include <cstdio>
#include <cstdlib>

// Ends the process when an invariant of our own is broken. Never used on
// input, on a model's result or on I/O: those are a Status.
#define COOPER_CHECK(condition)                                             \
  do {                                                                      \
    if (!(condition)) {                                                     \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, \
                   #condition);                                             \
      std::abort();                                                         \
    }                                                                       \
  } while (false)

#endif  // COOPER_SERVER_BASE_CHECK_H_
