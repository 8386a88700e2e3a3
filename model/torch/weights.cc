#include "model/torch/weights.h"

#include <ATen/ops/empty.h>
#include <c10/core/ScalarType.h>

#include <vector>

namespace cooper::torch_model {

at::Tensor WeightReader::TakeRows(absl::Span<const RowPart> parts,
                                  at::IntArrayRef row, bool as_stored) {
  std::vector<int64_t> shape(1);
  shape.insert(shape.end(), row.begin(), row.end());
  std::optional<at::ScalarType> joined;
  std::vector<bool> fits;
  int64_t rows = 0;
  for (const RowPart& part : parts) {
    shape[0] = part.rows;
    const std::optional<at::ScalarType> stored = StoredType(part.name, shape);
    fits.push_back(stored.has_value());
    rows += part.rows;
    if (!stored) continue;
    joined = joined ? c10::promoteTypes(*joined, *stored) : *stored;
  }
  shape[0] = rows;
  const at::Tensor tensor = at::empty(
      shape, at::TensorOptions(device_.device)
                 .dtype(as_stored && joined ? *joined : device_.dtype));
  int64_t begin = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const int64_t count = parts[i].rows;
    const at::Tensor destination = tensor.narrow(0, begin, count);
    begin += count;
    if (!fits[i]) continue;
    parameters_ += destination.numel();
    Fill(parts[i].name, destination);
  }
  return tensor;
}

at::Tensor WeightReader::Take(const std::string& name, at::IntArrayRef shape) {
  const RowPart part{name, shape[0]};
  return TakeRows(absl::MakeConstSpan(&part, 1), shape.slice(1),
                  /*as_stored=*/false);
}

at::Tensor WeightReader::TakeVector(absl::Span<const RowPart> parts) {
  return TakeRows(parts, {}, /*as_stored=*/false);
}

at::Tensor WeightReader::TakeMatrix(absl::Span<const RowPart> parts,
                                    int64_t columns) {
  return TakeRows(parts, columns, device_.fused_cpu());
}

}  // namespace cooper::torch_model
