#include "server/kserve/inference_tensors.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "server/engine/core/error.h"

namespace cooper::kserve {
namespace {

constexpr size_t kLengthBytes = 4;  // in front of every raw element

uint32_t ReadLength(absl::string_view raw) {
  uint32_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    length |= uint32_t{static_cast<unsigned char>(raw[i])} << (8 * i);
  }
  return length;
}

void AppendLength(size_t length, std::string* raw) {
  for (size_t i = 0; i < kLengthBytes; ++i) {
    raw->push_back(static_cast<char>(length >> (8 * i)));
  }
}

absl::StatusOr<std::vector<absl::string_view>> SplitRaw(
    absl::string_view raw, absl::string_view field) {
  std::vector<absl::string_view> elements;
  while (!raw.empty()) {
    if (raw.size() < kLengthBytes ||
        raw.size() - kLengthBytes < ReadLength(raw)) {
      return engine::InvalidField(
          field,
          absl::StrCat("raw contents end inside element ", elements.size(),
                       ": each is a 4-byte length and its bytes"));
    }
    const uint32_t length = ReadLength(raw);
    elements.push_back(raw.substr(kLengthBytes, length));
    raw.remove_prefix(kLengthBytes + length);
  }
  return elements;
}

// Whether the sides are positive and their product is `count`.
bool IsProduct(absl::Span<const int64_t> sides, size_t count) {
  const auto wanted = static_cast<int64_t>(count);
  int64_t product = 1;
  for (const int64_t side : sides) {
    if (side < 1 || side > wanted / product) return false;
    product *= side;
  }
  return product == wanted;
}

// Elements of datatype UINT8, which come as 32-bit numbers where they are
// typed. INVALID_ARGUMENT: one above 255.
absl::StatusOr<std::string> ReadUint8(
    const inference::ModelInferRequest& request, int index,
    absl::string_view field) {
  if (!request.raw_input_contents().empty()) {
    return request.raw_input_contents(index);
  }
  std::string elements;
  const auto& typed = request.inputs(index).contents().uint_contents();
  elements.reserve(typed.size());
  for (const uint32_t element : typed) {
    if (element > 255) {
      return engine::InvalidField(
          field, absl::StrCat("elements must be in [0, 255], not ", element));
    }
    elements.push_back(static_cast<char>(element));
  }
  return elements;
}

// The shape of our inputs is one side, of any or of a fixed length.
absl::Status CheckShape(const google::protobuf::RepeatedField<int64_t>& shape,
                        const InferenceTensor& tensor,
                        absl::string_view field) {
  const int64_t side = tensor.shape[0];
  if (shape.size() == 1 && shape[0] >= 0 && (side < 0 || shape[0] == side)) {
    return absl::OkStatus();
  }
  return engine::InvalidField(
      field,
      absl::StrCat("shape must be [", side < 0 ? "n" : absl::StrCat(side),
                   "], not [", absl::StrJoin(shape, ", "), "]"));
}

}  // namespace

absl::StatusOr<std::vector<absl::string_view>> ReadBytesTensor(
    const inference::ModelInferRequest& request, int index,
    const InferenceTensor& tensor) {
  const auto& input = request.inputs(index);
  const std::string field = absl::StrCat("inputs[", tensor.name, "]");
  if (input.datatype() != tensor.datatype) {
    return engine::InvalidField(
        field, absl::StrCat("datatype must be ", tensor.datatype,
                            tensor.pixels ? " or UINT8" : "", ", not ",
                            base::Printable(input.datatype())));
  }
  COOPER_RETURN_IF_ERROR(CheckShape(input.shape(), tensor, field));
  std::vector<absl::string_view> elements;
  if (request.raw_input_contents().empty()) {
    for (const std::string& element : input.contents().bytes_contents()) {
      elements.push_back(element);
    }
  } else {
    COOPER_ASSIGN_OR_RETURN(elements,
                            SplitRaw(request.raw_input_contents(index), field));
  }
  if (static_cast<int64_t>(elements.size()) != input.shape(0)) {
    return engine::InvalidField(
        field, absl::StrCat("has ", elements.size(), " elements, but shape [",
                            input.shape(0), "]"));
  }
  return elements;
}

absl::StatusOr<PixelTensor> ReadPixelTensor(
    const inference::ModelInferRequest& request, int index,
    const InferenceTensor& tensor) {
  const std::string field = absl::StrCat("inputs[", tensor.name, "]");
  const auto& shape = request.inputs(index).shape();
  const int64_t most = tensor.shape[0];
  const bool one = shape.size() == 3;
  if (!(one || (shape.size() == 4 && (most < 0 || shape[0] == most))) ||
      shape[shape.size() - 1] != 3) {
    return engine::InvalidField(
        field, absl::StrCat("shape must be [height, width, 3] or [",
                            most < 0 ? "n" : absl::StrCat(most),
                            ", height, width, 3], not [",
                            absl::StrJoin(shape, ", "), "]"));
  }
  COOPER_ASSIGN_OR_RETURN(std::string pixels, ReadUint8(request, index, field));
  if (!IsProduct(shape, pixels.size())) {
    return engine::InvalidField(
        field, absl::StrCat("has ", pixels.size(), " elements, but shape [",
                            absl::StrJoin(shape, ", "), "]"));
  }
  PixelTensor read;
  read.height = shape[shape.size() - 3];
  read.width = shape[shape.size() - 2];
  if (one) {
    read.images.push_back(std::move(pixels));
    return read;
  }
  const size_t bytes = pixels.size() / shape[0];
  for (size_t begin = 0; begin < pixels.size(); begin += bytes) {
    read.images.push_back(pixels.substr(begin, bytes));
  }
  return read;
}

void AddTensor(absl::string_view name, const char* datatype,
               std::initializer_list<int64_t> shape, std::string raw,
               inference::ModelInferResponse* response) {
  auto* output = response->add_outputs();
  output->set_name(std::string(name));
  output->set_datatype(datatype);
  for (const int64_t side : shape) output->add_shape(side);
  *response->add_raw_output_contents() = std::move(raw);
}

void AddBytesTensor(absl::string_view name,
                    absl::Span<const absl::string_view> elements,
                    inference::ModelInferResponse* response) {
  std::string raw;
  for (const absl::string_view element : elements) {
    AppendLength(element.size(), &raw);
    absl::StrAppend(&raw, element);
  }
  AddTensor(name, "BYTES", {static_cast<int64_t>(elements.size())},
            std::move(raw), response);
}

}  // namespace cooper::kserve
