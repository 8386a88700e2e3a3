#include "model/checkpoint/safetensors_header.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/check.h"
#include "base/logging.h"
#include "base/status_macros.h"

namespace cooper::checkpoint {
namespace {

constexpr int64_t kMaxInt64 = std::numeric_limits<int64_t>::max();

absl::Status Malformed(absl::string_view what) {
  return absl::DataLossError(what);
}

absl::Status Malformed(const std::string& tensor, absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat("tensor \"", base::Printable(tensor), "\": ", what));
}

bool DTypeByName(const std::string& name, DType* dtype) {
  for (const DType known :
       {DType::kFloat32, DType::kFloat16, DType::kBFloat16, DType::kFloat64,
        DType::kInt64, DType::kInt32, DType::kInt16, DType::kInt8,
        DType::kUint8, DType::kBool}) {
    if (name == DTypeName(known)) {
      *dtype = known;
      return true;
    }
  }
  return false;
}

// An entry of the header as written, not yet checked against the others.
struct Entry {
  std::string dtype;
  std::vector<int64_t> shape;
  std::vector<int64_t> offsets;
  bool has_dtype = false, has_shape = false, has_offsets = false;
};

// Reads the header event by event: no document tree, so memory is bounded by
// the tensors; and nlohmann's tree would hide repeated keys.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::map<std::string, Entry>& entries() { return entries_; }
  const absl::Status& status() const { return status_; }

  bool null() override { return Unexpected("null"); }
  bool boolean(bool) override { return Unexpected("a boolean"); }
  bool number_float(double, const std::string& text) override {
    return Unexpected(absl::StrCat("the number ", text));
  }
  bool number_integer(int64_t value) override {
    return Unexpected(absl::StrCat("the number ", value));
  }
  bool number_unsigned(uint64_t value) override {
    if (value > static_cast<uint64_t>(kMaxInt64)) {
      return Unexpected(absl::StrCat("the number ", value));
    }
    if (place_ == Place::kShapeList) {
      if (entry_->shape.size() == 32) return Fail("more than 32 dimensions");
      entry_->shape.push_back(static_cast<int64_t>(value));
      return true;
    }
    if (place_ == Place::kOffsetList) {
      entry_->offsets.push_back(static_cast<int64_t>(value));
      if (entry_->offsets.size() > 2) return Fail("more than two data_offsets");
      return true;
    }
    return Unexpected(absl::StrCat("the number ", value));
  }
  bool string(std::string& value) override {
    if (place_ == Place::kMetadataValue) {
      place_ = Place::kMetadata;
      return true;
    }
    if (place_ == Place::kDType) {
      entry_->dtype = value;
      entry_->has_dtype = true;
      place_ = Place::kEntry;
      return true;
    }
    return Unexpected("a string");
  }
  bool binary(nlohmann::json::binary_t&) override {
    return Unexpected("binary data");
  }

  bool start_object(size_t) override {
    switch (place_) {
      case Place::kStart:
        place_ = Place::kTop;
        return true;
      case Place::kMetadataStart:
        place_ = Place::kMetadata;
        return true;
      case Place::kEntryStart:
        place_ = Place::kEntry;
        return true;
      default:
        return Unexpected("an object");
    }
  }
  bool key(std::string& key) override {
    if (place_ == Place::kTop) return TopKey(key);
    if (place_ == Place::kMetadata) {
      place_ = Place::kMetadataValue;
      if (metadata_keys_.size() == kMaxMetadataKeys) {
        return Fail(absl::StrCat("more than ", kMaxMetadataKeys, " keys"));
      }
      return metadata_keys_.insert(key).second ||
             Fail(absl::StrCat("__metadata__: key \"", base::Printable(key),
                               "\" repeated"));
    }
    return EntryKey(key);
  }
  bool end_object() override {
    if (place_ == Place::kEntry) {
      if (!entry_->has_dtype) return Fail("dtype missing");
      if (!entry_->has_shape) return Fail("shape missing");
      if (!entry_->has_offsets) return Fail("data_offsets missing");
    }
    place_ = Place::kTop;
    entry_ = nullptr;
    return true;
  }
  bool start_array(size_t) override {
    if (place_ == Place::kShape) {
      place_ = Place::kShapeList;
      entry_->has_shape = true;
      return true;
    }
    if (place_ == Place::kOffsets) {
      place_ = Place::kOffsetList;
      entry_->has_offsets = true;
      return true;
    }
    return Unexpected("a list");
  }
  bool end_array() override {
    if (place_ == Place::kOffsetList && entry_->offsets.size() != 2) {
      return Fail("data_offsets must be two numbers");
    }
    place_ = Place::kEntry;
    return true;
  }
  bool parse_error(size_t, const std::string&,
                   const nlohmann::json::exception& error) override {
    status_ = Malformed(absl::StrCat("header is not JSON: ",
                                     base::Printable(error.what(), 160)));
    return false;
  }

 private:
  enum class Place {
    kStart,
    kTop,
    kMetadataStart,
    kMetadata,
    kMetadataValue,
    kEntryStart,
    kEntry,
    kDType,
    kShape,
    kShapeList,
    kOffsets,
    kOffsetList
  };

  bool TopKey(const std::string& key) {
    name_ = key;
    if (key == "__metadata__") {
      if (std::exchange(metadata_seen_, true)) return Fail("repeated");
      place_ = Place::kMetadataStart;
      return true;
    }
    if (entries_.size() == kMaxTensors) {
      return Fail(absl::StrCat("more than ", kMaxTensors, " tensors"));
    }
    const auto [where, fresh] = entries_.try_emplace(key);
    if (!fresh) return Fail("name repeated");
    entry_ = &where->second;
    place_ = Place::kEntryStart;
    return true;
  }
  bool EntryKey(const std::string& key) {
    bool repeated = false;
    if (key == "dtype") {
      place_ = Place::kDType;
      repeated = entry_->has_dtype;
    } else if (key == "shape") {
      place_ = Place::kShape;
      repeated = entry_->has_shape;
    } else if (key == "data_offsets") {
      place_ = Place::kOffsets;
      repeated = entry_->has_offsets;
    } else {
      return Fail(absl::StrCat("unknown key \"", base::Printable(key), "\""));
    }
    return !repeated || Fail(absl::StrCat("key \"", key, "\" repeated"));
  }
  const char* Expected() const {
    switch (place_) {
      case Place::kMetadataValue:
        return "__metadata__ values must be strings";
      case Place::kDType:
        return "dtype must be a string";
      case Place::kShape:
        return "shape must be a list";
      case Place::kShapeList:
        return "shape must hold integers in [0, 2^63)";
      case Place::kOffsets:
        return "data_offsets must be a list";
      case Place::kOffsetList:
        return "data_offsets must hold integers in [0, 2^63)";
      default:
        return "must be an object";
    }
  }
  bool Unexpected(absl::string_view found) {
    return Fail(absl::StrCat(Expected(), ", not ", base::Printable(found)));
  }
  bool Fail(absl::string_view what) {
    status_ = name_.empty() && entry_ == nullptr ? Malformed(what)
                                                 : Malformed(name_, what);
    return false;
  }

  std::map<std::string, Entry> entries_;
  std::set<std::string> metadata_keys_;
  std::string name_;  // of the top-level key being read
  Entry* entry_ = nullptr;
  Place place_ = Place::kStart;
  bool metadata_seen_ = false;
  absl::Status status_;
};

// Strings and numbers of many megabytes cost the JSON reader seconds. The
// padding at the end may be long.
bool HasLongToken(absl::string_view header) {
  header = absl::StripTrailingAsciiWhitespace(header);
  size_t begin = 0;
  while (begin < header.size()) {
    const size_t end = std::min(header.find('"', begin), header.size());
    if (end - begin > kMaxTokenBytes) return true;
    begin = end + 1;
  }
  return false;
}

// dtype, shape and the byte range's size; `base` is the offset in the file from
// which offsets count.
absl::StatusOr<StoredTensor> CheckEntry(const std::string& name,
                                        const Entry& entry, size_t base) {
  StoredTensor tensor;
  tensor.name = name;
  if (!DTypeByName(entry.dtype, &tensor.dtype)) {
    return Malformed(name, absl::StrCat("unknown dtype \"",
                                        base::Printable(entry.dtype), "\""));
  }
  // A zero hides the overflow of the other sizes; products of some of them
  // (strides) would still overflow in who uses them.
  int64_t elements = 1;
  bool empty = false;
  bool overflow = false;
  for (const int64_t size : entry.shape) {
    empty |= size == 0;
    if (size > 0) overflow |= __builtin_mul_overflow(elements, size, &elements);
  }
  int64_t bytes = 0;
  overflow |=
      __builtin_mul_overflow(elements, DTypeBytes(tensor.dtype), &bytes);
  if (overflow) return Malformed(name, "shape: size overflows 64 bits");
  if (empty) bytes = 0;
  const int64_t begin = entry.offsets[0];
  const int64_t end = entry.offsets[1];
  if (begin > end) {
    return Malformed(
        name, absl::StrCat("data_offsets: begin ", begin, " > end ", end));
  }
  if (end - begin != bytes) {
    return Malformed(name,
                     absl::StrCat("data_offsets span ", end - begin,
                                  " bytes, shape and dtype need ", bytes));
  }
  tensor.shape = entry.shape;
  tensor.offset_bytes = base + static_cast<size_t>(begin);
  tensor.bytes = static_cast<size_t>(bytes);
  return tensor;
}

// The byte ranges must tile the data section.
absl::Status CheckLayout(const std::map<std::string, Entry>& entries,
                         int64_t data_bytes) {
  std::vector<std::tuple<int64_t, int64_t, const std::string*>> ranges;
  ranges.reserve(entries.size());
  for (const auto& [name, entry] : entries) {
    ranges.emplace_back(entry.offsets[0], entry.offsets[1], &name);
  }
  std::sort(ranges.begin(), ranges.end());
  int64_t next = 0;
  for (const auto& [begin, end, name] : ranges) {
    if (begin != next) {
      const char* rule = next == 0      ? "first offset is not 0"
                         : begin < next ? "overlaps the tensor before it"
                                        : "gap before it";
      return Malformed(*name, absl::StrCat("data_offsets: ", rule, " (begin ",
                                           begin, ", expected ", next, ")"));
    }
    if (end > data_bytes) {
      return Malformed(
          *name, absl::StrCat("data ends at ", end, ", file has ", data_bytes,
                              " bytes of data: truncated"));
    }
    next = end;
  }
  if (next != data_bytes) {
    return Malformed(
        absl::StrCat(data_bytes - next, " bytes after the last tensor's end"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<size_t> HeaderBytes(absl::Span<const uint8_t> start,
                                   size_t file_bytes) {
  if (file_bytes < kLengthBytes || start.size() < kLengthBytes) {
    return Malformed(absl::StrCat("header length: file has ", file_bytes,
                                  " bytes, needs ", kLengthBytes));
  }
  uint64_t header_bytes = 0;
  for (size_t i = kLengthBytes; i-- > 0;) {
    header_bytes = header_bytes << 8 | start[i];
  }
  if (header_bytes > kMaxHeaderBytes) {
    return Malformed(absl::StrCat("header length ", header_bytes,
                                  " is above the limit ", kMaxHeaderBytes));
  }
  if (header_bytes > file_bytes - kLengthBytes) {
    return Malformed(absl::StrCat("header length ", header_bytes,
                                  " is more than the file holds (",
                                  file_bytes - kLengthBytes, "): truncated"));
  }
  return static_cast<size_t>(header_bytes);
}

absl::StatusOr<std::map<std::string, StoredTensor>> ParseSafetensors(
    absl::Span<const uint8_t> start, size_t file_bytes) {
  COOPER_ASSIGN_OR_RETURN(const size_t header_bytes,
                          HeaderBytes(start, file_bytes));
  COOPER_CHECK(start.size() >= kLengthBytes + header_bytes);
  const uint8_t* header = start.data() + kLengthBytes;
  if (header_bytes == 0 || header[0] != '{') {
    return Malformed("header does not begin with '{'");
  }
  // nlohmann takes a NUL for the end of the input.
  if (std::memchr(header, 0, header_bytes) != nullptr) {
    return Malformed("header is not JSON: NUL byte");
  }
  if (HasLongToken(absl::string_view(reinterpret_cast<const char*>(header),
                                     header_bytes))) {
    return Malformed(
        absl::StrCat("header: a string, number or gap of more than ",
                     kMaxTokenBytes, " bytes"));
  }
  HeaderReader reader;
  if (!nlohmann::json::sax_parse(header, header + header_bytes, &reader)) {
    return reader.status();
  }
  const size_t data = kLengthBytes + header_bytes;
  const size_t data_bytes = file_bytes - data;
  std::map<std::string, StoredTensor> tensors;
  for (const auto& [name, entry] : reader.entries()) {
    COOPER_ASSIGN_OR_RETURN(StoredTensor tensor, CheckEntry(name, entry, data));
    tensors.emplace_hint(tensors.end(), name, std::move(tensor));
  }
  COOPER_RETURN_IF_ERROR(
      CheckLayout(reader.entries(), static_cast<int64_t>(data_bytes)));
  return tensors;
}

}  // namespace cooper::checkpoint
