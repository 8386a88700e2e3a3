#ifndef COOPER_SERVER_KSERVE_INFERENCE_TENSORS_H_
#define COOPER_SERVER_KSERVE_INFERENCE_TENSORS_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "inference/grpc_service.pb.h"
#include "server/kserve/inference_models.h"

// Tensors of the KServe protocol, in and out.

namespace cooper::kserve {

// Input `index` of a request, of datatype BYTES, as views of its elements,
// whether they came typed or raw. INVALID_ARGUMENT, with the tensor's name:
// another datatype, a shape that is not `tensor`'s, elements that do not fit
// the shape.
absl::StatusOr<std::vector<absl::string_view>> ReadBytesTensor(
    const inference::ModelInferRequest& request, int index,
    const InferenceTensor& tensor);

// Images as pixels, R G B bytes row by row.
struct PixelTensor {
  int64_t height = 0;               // px
  int64_t width = 0;                // px
  std::vector<std::string> images;  // height * width * 3 bytes each
};

// Input `index` of a request, of datatype UINT8 and shape [height, width, 3] or
// [n, height, width, 3], where n must be `tensor`'s own side unless that is -1.
// INVALID_ARGUMENT, with the tensor's name: another shape, or elements that do
// not fit it.
absl::StatusOr<PixelTensor> ReadPixelTensor(
    const inference::ModelInferRequest& request, int index,
    const InferenceTensor& tensor);

// Adds an output with raw contents. `shape`: elements along each side.
void AddTensor(absl::string_view name, const char* datatype,
               std::initializer_list<int64_t> shape, std::string raw,
               inference::ModelInferResponse* response);
// The same of datatype BYTES and shape [elements].
void AddBytesTensor(absl::string_view name,
                    absl::Span<const absl::string_view> elements,
                    inference::ModelInferResponse* response);

}  // namespace cooper::kserve

#endif  // COOPER_SERVER_KSERVE_INFERENCE_TENSORS_H_
