#ifndef COOPER_MODEL_IMAGE_FAILURE_H_
#define COOPER_MODEL_IMAGE_FAILURE_H_

#include <csetjmp>
#include <cstdio>

#include "model/image/codec.h"

namespace cooper::image {

// How a C codec's error callback gets back to us: it notes why and jumps.
// Plain data, so that jumping over it skips no destructor. Every function that
// arms `jump` keeps only trivial locals.
struct CodecFailure {
  std::jmp_buf jump;
  char words[256] = "";  // the codec's own
  Rejection rejection = Rejection::kCorrupt;

  [[noreturn]] void Raise(const char* message) {
    std::snprintf(words, sizeof(words), "%s", message);
    std::longjmp(jump,
                 1);  // NOLINT(bugprone-*): C libraries offer no other way
  }
};

}  // namespace cooper::image

#endif  // COOPER_MODEL_IMAGE_FAILURE_H_
