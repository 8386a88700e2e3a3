#include "model/torch/pass_plan.h"

namespace cooper::torch_model {

RowAngles RowAngles::In(const RowRange& range) const {
  const auto part = [&](const at::Tensor& all) {
    return all.defined() ? all.narrow(0, range.begin, range.count()) : all;
  };
  RowAngles angles;
  angles.cos = part(cos);
  angles.sin = part(sin);
  angles.narrow_cos = part(narrow_cos);
  angles.narrow_sin = part(narrow_sin);
  angles.generation = part(generation);
  angles.all_generation = all_generation;
  return angles;
}

}  // namespace cooper::torch_model
