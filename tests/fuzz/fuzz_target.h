#ifndef COOPER_TESTS_FUZZ_FUZZ_TARGET_H_
#define COOPER_TESTS_FUZZ_FUZZ_TARGET_H_

#include <string>

#include "absl/strings/string_view.h"

namespace cooper::fuzz {

// What a program of this folder does with one input; each defines its own. It
// ends the process (COOPER_CHECK) where something that must hold does not.
void FuzzOne(absl::string_view bytes);

// A directory of this process, gone at its end; for code that opens files.
const std::string& ScratchDirectory();
// Makes the file or replaces what it holds.
void WriteFile(const std::string& path, absl::string_view bytes);

}  // namespace cooper::fuzz

#endif  // COOPER_TESTS_FUZZ_FUZZ_TARGET_H_
