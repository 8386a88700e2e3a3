#ifndef COOPER_CLIENT_BENCH_WORK_ITEM_H_
#define COOPER_CLIENT_BENCH_WORK_ITEM_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/bench/workload.h"

namespace cooper::client::bench {

std::optional<Kind> KindOf(absl::string_view name);

// All names, for messages.
std::string KindNames();

// The request of that kind about images (files' bytes) and words; of a map,
// `question` is left out. INVALID_ARGUMENT for a map of no image or several.
absl::StatusOr<WorkItem> MakeWorkItem(Kind kind,
                                      const std::vector<std::string>& images,
                                      const std::string& question,
                                      const RequestOptions& options);

}  // namespace cooper::client::bench

#endif  // COOPER_CLIENT_BENCH_WORK_ITEM_H_
