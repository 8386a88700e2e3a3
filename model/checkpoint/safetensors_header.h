#ifndef COOPER_MODEL_CHECKPOINT_SAFETENSORS_HEADER_H_
#define COOPER_MODEL_CHECKPOINT_SAFETENSORS_HEADER_H_

#include <cstddef>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/checkpoint/safetensors.h"

namespace cooper::checkpoint {

// The reference implementation's limit.
constexpr size_t kMaxHeaderBytes = 100'000'000;
// A limit of ours, ten times what the largest public models have: bounds time
// and memory that a hostile header can take.
constexpr size_t kMaxTensors = 200'000;
// Of __metadata__, for the same reason.
constexpr size_t kMaxMetadataKeys = 200'000;
// Of a string or number, and of what stands between two strings.
constexpr size_t kMaxTokenBytes = size_t{1} << 20;

// The header's length stands in that many bytes before it.
constexpr size_t kLengthBytes = 8;

// The header's length, of a file of `file_bytes` that begins with `start` (at
// least kLengthBytes of it, if it has that many). DATA_LOSS: more than the
// limit or than the file holds. Pure.
absl::StatusOr<size_t> HeaderBytes(absl::Span<const uint8_t> start,
                                   size_t file_bytes);

// The tensors of a *.safetensors file of `file_bytes` that begins with `start`,
// which reaches to the end of the header at least; all is checked. Pure.
// DATA_LOSS: tensor and rule.
absl::StatusOr<std::map<std::string, StoredTensor>> ParseSafetensors(
    absl::Span<const uint8_t> start, size_t file_bytes);

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_SAFETENSORS_HEADER_H_
