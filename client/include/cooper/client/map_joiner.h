#ifndef COOPER_CLIENT_MAP_JOINER_H_
#define COOPER_CLIENT_MAP_JOINER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cooper/v1/spatial_reasoning.pb.h"

namespace cooper::client {

// Joins maps whose bytes came in several events. Parts of one map and role
// come in order; parts of different ones may alternate. Not thread-safe.
//
// Invariants: bytes are held only for maps that are begun and not whole, and
// never more than `max_bytes` in all.
class MapJoiner {
 public:
  static constexpr int64_t kDefaultMaxBytes = int64_t{256} << 20;

  explicit MapJoiner(int64_t max_bytes = kDefaultMaxBytes)
      : max_bytes_(max_bytes) {}

  // Takes the next part. The whole map (offset 0, `data` all of it, `regions`
  // of the first part) once its last part is here, nothing before. DATA_LOSS
  // if the part does not follow what came before: a gap, an overlap, bytes
  // past the announced total, other facts than the first part's.
  // RESOURCE_EXHAUSTED above `max_bytes`.
  absl::StatusOr<std::optional<v1::MapResult>> Add(v1::MapResult part);

  // DATA_LOSS if a map was begun and is not whole. Call at the stream's end.
  absl::Status CheckComplete() const;

 private:
  using Key = std::pair<int32_t, v1::MapRole>;

  const int64_t max_bytes_;
  std::map<Key, v1::MapResult> begun_;
  int64_t held_bytes_ = 0;
};

}  // namespace cooper::client

#endif  // COOPER_CLIENT_MAP_JOINER_H_
