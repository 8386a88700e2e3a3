#ifndef COOPER_CLIENT_CLI_PROGRESS_H_
#define COOPER_CLIENT_CLI_PROGRESS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace cooper::client {

// How far a map is.
struct Progress {
  absl::string_view label;  // "depth map"
  int step = 0;             // done
  int num_steps = 0;
  absl::Duration elapsed;  // since the map was begun
};

// A line such as "depth map  ######....  12/19  3.1 steps/s  2 s left", at most
// `columns` wide; `unicode` draws it with blocks. Before the first step there
// is no rate.
std::string ProgressLine(const Progress& progress, int columns, bool unicode);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_PROGRESS_H_
