#include "server/rpc/message.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "server/engine/core/error.h"

namespace cooper::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// About what an element takes in memory besides its own bytes.
constexpr int64_t kElementBytes = 256;
constexpr int kMaxDepth = 64;
// Of a tag or a length. CodedInputStream would take longer ones, which the
// parser of messages refuses.
constexpr int kMaxVarint32Bytes = 5;

absl::Status NotAMessage(const std::string& path) {
  return engine::InvalidField(path.empty() ? "request" : path,
                              "its bytes are not a protobuf message");
}

// One pass over the wire format of a message.
class Scanner {
 public:
  Scanner(const MessageLimits& limits, CodedInputStream* in)
      : limits_(limits), in_(*in) {}

  // Reads up to the end or the stream's limit. `path` is where the message is.
  absl::Status Scan(const Descriptor& type, const std::string& path,
                    int depth) {
    if (depth > kMaxDepth) {
      return engine::InvalidField(path, "messages are nested too deeply");
    }
    absl::flat_hash_map<int, int> counts;  // of the repeated fields seen
    int begin = in_.CurrentPosition();
    while (const uint32_t tag = in_.ReadTag()) {
      const int number = WireFormatLite::GetTagFieldNumber(tag);
      const int tag_bytes = in_.CurrentPosition() - begin;
      if (number == 0 || tag_bytes > kMaxVarint32Bytes) {
        return NotAMessage(path);
      }
      const FieldDescriptor* field = type.FindFieldByNumber(number);
      // The parser keeps a value of another wire type as an unknown field.
      if (field != nullptr && !HasWireType(*field, tag)) field = nullptr;
      const int index =
          field != nullptr && field->is_repeated() ? counts[number]++ : -1;
      // The name is made only where it is needed.
      const auto name = [&] {
        std::string text = path;
        absl::StrAppend(
            &text, path.empty() ? "" : ".",
            field == nullptr ? absl::StrCat("field ", number) : field->name());
        if (index >= 0) absl::StrAppend(&text, "[", index, "]");
        return text;
      };
      if (field == nullptr || field->is_repeated() ||
          field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        COOPER_RETURN_IF_ERROR(CountElement(field, tag, name));
      }
      COOPER_RETURN_IF_ERROR(ScanValue(field, tag, name, depth));
      begin = in_.CurrentPosition();
    }
    if (!in_.ConsumedEntireMessage()) return NotAMessage(path);
    return absl::OkStatus();
  }

  int64_t bytes() const { return bytes_; }

 private:
  static bool HasWireType(const FieldDescriptor& field, uint32_t tag) {
    const auto wire_type = WireFormatLite::GetTagWireType(tag);
    return wire_type ==
               WireFormatLite::WireTypeForFieldType(
                   static_cast<WireFormatLite::FieldType>(field.type())) ||
           (field.is_packable() &&
            wire_type == WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  }

  static bool IsNumber(const FieldDescriptor& field) {
    return field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE &&
           field.cpp_type() != FieldDescriptor::CPPTYPE_STRING;
  }

  template <typename Name>
  absl::Status CountElement(const FieldDescriptor* field, uint32_t tag,
                            const Name& name) {
    if (field != nullptr && IsNumber(*field)) {
      // An unpacked number costs at least two bytes of the wire.
      bytes_ += sizeof(int64_t);
      return absl::OkStatus();
    }
    bytes_ += kElementBytes;
    if (++elements_ <= limits_.max_elements) return absl::OkStatus();
    return engine::InvalidField(
        name(), absl::StrCat("the message has more than ", limits_.max_elements,
                             " elements"));
  }

  template <typename Name>
  absl::Status ScanValue(const FieldDescriptor* field, uint32_t tag,
                         const Name& name, int depth) {
    switch (WireFormatLite::GetTagWireType(tag)) {
      case WireFormatLite::WIRETYPE_VARINT: {
        uint64_t value = 0;
        return in_.ReadVarint64(&value) ? absl::OkStatus()
                                        : NotAMessage(name());
      }
      case WireFormatLite::WIRETYPE_FIXED32:
        return in_.Skip(4) ? absl::OkStatus() : NotAMessage(name());
      case WireFormatLite::WIRETYPE_FIXED64:
        return in_.Skip(8) ? absl::OkStatus() : NotAMessage(name());
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
        return ScanBytes(field, name, depth);
      default:  // proto3 has no groups
        return NotAMessage(name());
    }
  }

  template <typename Name>
  absl::Status ScanBytes(const FieldDescriptor* field, const Name& name,
                         int depth) {
    int length = 0;
    const int begin = in_.CurrentPosition();
    if (!in_.ReadVarintSizeAsInt(&length) ||
        in_.CurrentPosition() - begin > kMaxVarint32Bytes) {
      return NotAMessage(name());
    }
    const int left = in_.BytesUntilLimit();
    if (left >= 0 && length > left) return NotAMessage(name());
    if (field != nullptr &&
        field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      const CodedInputStream::Limit limit = in_.PushLimit(length);
      COOPER_RETURN_IF_ERROR(Scan(*field->message_type(), name(), depth + 1));
      in_.PopLimit(limit);
      return absl::OkStatus();
    }
    // Packed numbers of one byte may take eight.
    bytes_ += field != nullptr && IsNumber(*field)
                  ? int64_t{length} * static_cast<int64_t>(sizeof(int64_t))
                  : length;
    if (bytes_ > 2 * limits_.max_bytes + elements_ * kElementBytes) {
      return engine::InvalidField(name(), "too many numbers");
    }
    if (field == nullptr || field->type() != FieldDescriptor::TYPE_STRING) {
      return in_.Skip(length) ? absl::OkStatus() : NotAMessage(name());
    }
    std::string text;
    if (!in_.ReadString(&text, length)) return NotAMessage(name());
    if (!base::IsUtf8(text)) return engine::InvalidField(name(), "not UTF-8");
    return absl::OkStatus();
  }

  const MessageLimits& limits_;
  CodedInputStream& in_;
  int64_t elements_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace

absl::StatusOr<int64_t> CheckMessage(const grpc::ByteBuffer& bytes,
                                     const Descriptor& type,
                                     const MessageLimits& limits) {
  const auto size = static_cast<int64_t>(bytes.Length());
  if (size > limits.max_bytes) {
    engine::ErrorDetails details;
    details.reason = engine::ErrorReason::kMessageTooLarge;
    return engine::MakeError(
        details,
        absl::StrCat("the request message has ", size, " bytes, at most ",
                     limits.max_bytes, " are allowed"));
  }
  // Reads without changing it.
  grpc::ProtoBufferReader reader(const_cast<grpc::ByteBuffer*>(&bytes));
  if (!reader.status().ok()) return NotAMessage("");
  CodedInputStream in(&reader);
  // Bounds every length that the message declares.
  in.PushLimit(static_cast<int>(size));
  Scanner scanner(limits, &in);
  COOPER_RETURN_IF_ERROR(scanner.Scan(type, "", 0));
  return scanner.bytes();
}

absl::Status ParseMessage(const grpc::ByteBuffer& bytes,
                          const MessageLimits& limits,
                          google::protobuf::Message* message) {
  COOPER_RETURN_IF_ERROR(
      CheckMessage(bytes, *message->GetDescriptor(), limits).status());
  grpc::ProtoBufferReader reader(const_cast<grpc::ByteBuffer*>(&bytes));
  if (!reader.status().ok() || !message->ParseFromZeroCopyStream(&reader)) {
    return NotAMessage("");
  }
  return absl::OkStatus();
}

grpc::ByteBuffer SerializeMessage(const google::protobuf::Message& message) {
  const size_t size = message.ByteSizeLong();
  const grpc::Slice slice(size);
  message.SerializeWithCachedSizesToArray(const_cast<uint8_t*>(slice.begin()));
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace cooper::rpc
