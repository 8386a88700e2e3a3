#ifndef COOPER_MODEL_CHECKPOINT_POSITION_TABLE_H_
#define COOPER_MODEL_CHECKPOINT_POSITION_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cooper::checkpoint {

// The fixed 2-D sin-cos table of a grid of `side` x `side` places (model-spec
// section 2), [side * side, width] float32: the first half of a place's
// channels comes from its column, the second from its row, and each half is
// [sin | cos]. Immutable, thread-safe.
class PositionTable {
 public:
  // `width` is a multiple of 4; both are above 0.
  PositionTable(int64_t side, int64_t width);

  float at(int64_t place, int64_t channel) const;
  // Copies `bytes` of the table, row-major, from its byte `begin` on.
  void Read(size_t begin, size_t bytes, void* destination) const;

 private:
  // The channels of a place that come from its column (0) or row (1).
  const float* Half(int64_t place, int64_t which) const;

  const int64_t side_;
  const int64_t half_;       // width / 2
  std::vector<float> axis_;  // [side, half]: of a coordinate
};

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_POSITION_TABLE_H_
