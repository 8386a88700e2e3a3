#include "model/torch/finite.h"

#include <algorithm>

#include "base/check.h"

namespace cooper::torch_model {
namespace {

// Infinities and NaNs are the values whose exponent is all ones.
template <typename Bits>
bool NoneHas(Bits exponent, const Bits* values, int64_t count) {
  constexpr int64_t kBlock = 4096;  // the loop over it vectorises
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t end = std::min(begin + kBlock, count);
    Bits found = 0;
    for (int64_t i = begin; i < end; ++i) {
      found |= static_cast<Bits>((values[i] & exponent) == exponent);
    }
    if (found != 0) return false;
  }
  return true;
}

}  // namespace

bool AllFinite(const void* values, int64_t count, at::ScalarType type) {
  switch (type) {
    case at::kBFloat16:
      return NoneHas<uint16_t>(0x7F80, static_cast<const uint16_t*>(values),
                               count);
    case at::kHalf:
      return NoneHas<uint16_t>(0x7C00, static_cast<const uint16_t*>(values),
                               count);
    default:
      COOPER_CHECK(type == at::kFloat);
      return NoneHas<uint32_t>(0x7F800000, static_cast<const uint32_t*>(values),
                               count);
  }
}

}  // namespace cooper::torch_model
