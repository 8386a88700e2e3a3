#include "model/checkpoint/position_table.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"

namespace cooper::checkpoint {

PositionTable::PositionTable(int64_t side, int64_t width)
    : side_(side), half_(width / 2), axis_(side * half_) {
  COOPER_CHECK(side > 0 && width > 0 && width % 4 == 0);
  // In double and in this order of operations, as the reference does.
  const int64_t quarter = half_ / 2;
  for (int64_t i = 0; i < quarter; ++i) {
    const double frequency =
        1.0 / std::pow(10000.0,
                       static_cast<double>(i) / static_cast<double>(quarter));
    for (int64_t at = 0; at < side; ++at) {
      const double angle = static_cast<double>(at) * frequency;
      axis_[at * half_ + i] = static_cast<float>(std::sin(angle));
      axis_[at * half_ + quarter + i] = static_cast<float>(std::cos(angle));
    }
  }
}

const float* PositionTable::Half(int64_t place, int64_t which) const {
  return &axis_[(which == 0 ? place % side_ : place / side_) * half_];
}

float PositionTable::at(int64_t place, int64_t channel) const {
  return Half(place, channel / half_)[channel % half_];
}

void PositionTable::Read(size_t begin, size_t bytes, void* destination) const {
  const size_t span_bytes = half_ * sizeof(float);
  auto* to = static_cast<std::byte*>(destination);
  while (bytes > 0) {
    const auto span = static_cast<int64_t>(begin / span_bytes);
    const size_t within = begin % span_bytes;
    const size_t count = std::min(bytes, span_bytes - within);
    const auto* from =
        reinterpret_cast<const std::byte*>(Half(span / 2, span % 2));
    std::memcpy(to, from + within, count);
    to += count;
    begin += count;
    bytes -= count;
  }
}

}  // namespace cooper::checkpoint
