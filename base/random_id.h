#ifndef COOPER_BASE_RANDOM_ID_H_
#define COOPER_BASE_RANDOM_ID_H_

#include <cstddef>
#include <string>

namespace cooper::base {

// So many bytes (1..256) from the system's generator for secrets, two
// lower-case hexadecimal digits each, which cannot be guessed. Thread-safe.
std::string DrawHexId(size_t bytes);

}  // namespace cooper::base

#endif  // COOPER_BASE_RANDOM_ID_H_
