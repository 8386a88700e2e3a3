// The scanner of request messages against protobuf's own parsers: the scanner
// accepts exactly what protobuf parses within the limits, and what it accepts
// takes no more memory than it states.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/unknown_field_set.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/check.h"
#include "cooper/v1/spatial_reasoning.pb.h"
#include "inference/grpc_service.pb.h"
#include "model/text_codec.h"
#include "server/engine/core/error.h"
#include "server/rpc/message.h"
#include "tests/fuzz/fuzz_target.h"

namespace cooper::fuzz {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

bool IsUtf8(absl::string_view text) {
  model::Utf8Stream stream;
  return stream.Push(text) == text && stream.Finish().empty();
}

// What a message holds, counted on protobuf's generic parser.
struct Contents {
  bool valid = true;  // a message without groups whose strings are UTF-8
  bool has_packed = false;
  int64_t elements = 0;

  void Read(const std::string& bytes, const Descriptor& type) {
    UnknownFieldSet fields;
    if (!fields.ParseFromString(bytes)) valid = false;
    for (int i = 0; valid && i < fields.field_count(); ++i) {
      const UnknownField& value = fields.field(i);
      const FieldDescriptor* field = type.FindFieldByNumber(value.number());
      ReadField(value,
                field != nullptr && IsOf(value, *field) ? field : nullptr);
    }
  }

 private:
  static bool IsOf(const UnknownField& value, const FieldDescriptor& field) {
    switch (value.type()) {
      case UnknownField::TYPE_LENGTH_DELIMITED:
        return field.is_packable() ||
               field.cpp_type() == FieldDescriptor::CPPTYPE_STRING ||
               field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
      case UnknownField::TYPE_FIXED32:
        return field.type() == FieldDescriptor::TYPE_FLOAT;
      case UnknownField::TYPE_FIXED64:
        return field.type() == FieldDescriptor::TYPE_DOUBLE;
      case UnknownField::TYPE_VARINT:
        return field.type() != FieldDescriptor::TYPE_FLOAT &&
               field.type() != FieldDescriptor::TYPE_DOUBLE &&
               field.cpp_type() != FieldDescriptor::CPPTYPE_STRING &&
               field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE;
      default:
        return false;  // a group
    }
  }

  // `field` is null where the type has no such field of that wire type.
  void ReadField(const UnknownField& value, const FieldDescriptor* field) {
    if (value.type() == UnknownField::TYPE_GROUP) valid = false;
    const bool is_message =
        field != nullptr &&
        field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    const bool is_string =
        field != nullptr && field->type() == FieldDescriptor::TYPE_STRING;
    const bool is_number = field != nullptr && !is_message &&
                           field->cpp_type() != FieldDescriptor::CPPTYPE_STRING;
    if (field == nullptr || is_message ||
        (field->is_repeated() && !is_number)) {
      ++elements;
    }
    if (value.type() != UnknownField::TYPE_LENGTH_DELIMITED) return;
    if (is_number) has_packed = true;
    if (is_message) {
      Read(value.length_delimited(), *field->message_type());
    } else if (is_string && !IsUtf8(value.length_delimited())) {
      valid = false;
    }
  }
};

// `bytes` in slices, cut at `cuts`, which ascend.
grpc::ByteBuffer BufferOf(absl::string_view bytes,
                          const std::vector<size_t>& cuts) {
  std::vector<grpc::Slice> slices;
  size_t begin = 0;
  for (const size_t end : cuts) {
    slices.emplace_back(bytes.data() + begin, end - begin);
    begin = end;
  }
  slices.emplace_back(bytes.data() + begin, bytes.size() - begin);
  return grpc::ByteBuffer(slices.data(), slices.size());
}

void CheckRefusal(const absl::Status& status) {
  COOPER_CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  COOPER_CHECK(!engine::DetailsOf(status).field.empty());
}

// The messages that are in `message` take what the scanner states of them; a
// container's capacity is up to twice its size.
void CheckMemory(const google::protobuf::Message& message, int64_t stated) {
  const std::unique_ptr<google::protobuf::Message> empty(message.New());
  // Its own strings, which the scanner states without their objects.
  constexpr int64_t kStrings = 512;
  COOPER_CHECK(static_cast<int64_t>(message.SpaceUsedLong()) <=
               static_cast<int64_t>(empty->SpaceUsedLong()) + kStrings +
                   2 * stated);
}

// The same for equal messages, whatever the order of their maps.
std::string Serialize(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    COOPER_CHECK(message.SerializeToCodedStream(&out));
  }
  return bytes;
}

template <typename Message>
void CheckScanner(absl::string_view bytes) {
  const std::string text(bytes);
  const Descriptor& type = *Message::descriptor();
  const grpc::ByteBuffer buffer = BufferOf(bytes, {});
  Contents contents;
  contents.Read(text, type);

  // The two parsers of protobuf differ in what they take as a tag or a length.
  if (!Message().ParseFromString(text)) contents.valid = false;

  const auto stated = rpc::CheckMessage(buffer, type, {});
  // The scanner leaves what is inside of packed numbers to the parser.
  COOPER_CHECK(stated.ok() == contents.valid ||
               (stated.ok() && contents.has_packed));
  const auto cut = rpc::CheckMessage(
      BufferOf(bytes, {bytes.size() / 3, bytes.size() / 2}), type, {});
  COOPER_CHECK(cut == stated);
  const rpc::MessageLimits few{.max_elements = 3};
  const absl::Status limited = rpc::CheckMessage(buffer, type, few).status();
  COOPER_CHECK(limited.ok() ==
               (stated.ok() && contents.elements <= few.max_elements));
  if (!limited.ok()) CheckRefusal(limited);
  const rpc::MessageLimits short_of{.max_bytes =
                                        static_cast<int64_t>(bytes.size()) - 1};
  COOPER_CHECK(rpc::CheckMessage(buffer, type, short_of).status().code() ==
               absl::StatusCode::kResourceExhausted);

  Message message;
  const absl::Status parsed = rpc::ParseMessage(buffer, {}, &message);
  COOPER_CHECK(parsed.ok() == contents.valid);
  if (!parsed.ok()) return CheckRefusal(parsed);
  CheckMemory(message, *stated);
  Message again;
  COOPER_CHECK(
      rpc::ParseMessage(rpc::SerializeMessage(message), {}, &again).ok());
  COOPER_CHECK(Serialize(again) == Serialize(message));
}

}  // namespace

void FuzzOne(absl::string_view bytes) {
  // protobuf would write a line for each string that is not UTF-8.
  static const auto* const silencer = new google::protobuf::LogSilencer;
  static_cast<void>(silencer);
  CheckScanner<v1::ReasonRequest>(bytes);
  CheckScanner<v1::ConverseRequest>(bytes);
  CheckScanner<v1::SegmentRequest>(bytes);
  CheckScanner<inference::ModelInferRequest>(bytes);
}

}  // namespace cooper::fuzz
