#include "server/rpc/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cooper/v1/spatial_reasoning.pb.h"
#include "inference/grpc_service.pb.h"
#include "server/engine/core/error.h"

namespace cooper::rpc {
namespace {

using engine::DetailsOf;
using engine::ErrorReason;
using ::testing::HasSubstr;

grpc::ByteBuffer BufferOf(const std::vector<std::string>& pieces) {
  std::vector<grpc::Slice> slices;
  for (const std::string& piece : pieces) slices.emplace_back(piece);
  return grpc::ByteBuffer(slices.data(), slices.size());
}

std::string Repeat(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

template <typename Message = v1::ReasonRequest>
absl::Status Parse(const std::string& bytes, const MessageLimits& limits = {}) {
  Message message;
  return ParseMessage(BufferOf({bytes}), limits, &message);
}

v1::ReasonRequest Request() {
  v1::ReasonRequest request;
  request.add_inputs()->set_image(std::string(1000, '\xff'));
  request.add_inputs()->set_text("Wie weit ist es zur T\u00fcr?");
  request.mutable_flow()->set_num_timesteps(7);
  return request;
}

TEST(MessageTest, AMessageComesBackWhole) {
  const v1::ReasonRequest request = Request();
  v1::ReasonRequest parsed;
  ASSERT_TRUE(ParseMessage(SerializeMessage(request), {}, &parsed).ok());
  EXPECT_EQ(parsed.SerializeAsString(), request.SerializeAsString());
}

// Wherever the slices of the buffer meet.
TEST(MessageTest, SlicesMayCutAnywhere) {
  const std::string bytes = Request().SerializeAsString();
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    v1::ReasonRequest parsed;
    ASSERT_TRUE(
        ParseMessage(BufferOf({bytes.substr(0, cut), bytes.substr(cut)}), {},
                     &parsed)
            .ok())
        << cut;
    EXPECT_EQ(parsed.inputs_size(), 2);
  }
}

TEST(MessageTest, AnEmptyMessageIsAMessage) {
  EXPECT_TRUE(Parse("").ok());
  v1::ReasonRequest parsed;
  EXPECT_TRUE(ParseMessage(grpc::ByteBuffer(nullptr, 0), {}, &parsed).ok());
}

TEST(MessageTest, UnknownFieldsAreTaken) {
  EXPECT_TRUE(Parse("\xa2\x06\x03"
                    "abc")
                  .ok());  // field 100
}

TEST(MessageTest, ACutMessageIsNone) {
  const std::string bytes = Request().SerializeAsString();
  int refused = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    v1::ReasonRequest plain;
    const bool whole = plain.ParseFromString(bytes.substr(0, size));
    EXPECT_EQ(Parse(bytes.substr(0, size)).ok(), whole) << size;
    refused += whole ? 0 : 1;
  }
  EXPECT_GT(refused, 1000);
}

TEST(MessageTest, BytesThatAreNoMessageAreRefusedByName) {
  for (const std::string& bytes :
       {std::string("\xff\xff\xff"), std::string("\x00", 1),
        std::string("\x0b"), std::string("\x0c"),
        std::string("\x12\x05"
                    "ab"),
        // Lengths that pass the end, the message and 2^31.
        std::string("\x12\x02\x12\x7f"),
        std::string("\x12\xff\xff\xff\xff\x07"),
        std::string("\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f")}) {
    const absl::Status status = Parse(bytes);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kInvalidArgument);
    EXPECT_FALSE(DetailsOf(status).field.empty()) << status;
  }
}

// Groups of unknown fields may nest without end, and each costs a stack frame
// where it is parsed.
TEST(MessageTest, DeepNestingIsRefused) {
  // Field 100, a group; not closed, and closed again.
  const std::string open = Repeat("\xa3\x06", 5000);
  for (const std::string& bytes : {open, open + Repeat("\xa4\x06", 5000)}) {
    const absl::Status status = Parse(bytes);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kInvalidArgument);
  }
}

TEST(MessageTest, NumbersThatOverflowAreRefused) {
  // A varint of eleven bytes: packed, of a length, and of a number.
  const std::string endless(10, '\xff');
  for (const char* head : {"\x2a", "\x12", "\x18"}) {
    const absl::Status status =
        Parse<inference::ModelInferRequest>(head + endless + "\x01");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  }
}

// Five bytes make any tag and length; protobuf's parser takes no more.
TEST(MessageTest, TagsAndLengthsAreNotLongerThanProtobufTakes) {
  for (const std::string& bytes :
       {std::string("\x98\x80\x80\x80\x80\x00\x01", 7),
        std::string("\x12\x80\x80\x80\x80\x80\x00", 7)}) {
    EXPECT_FALSE(v1::ReasonRequest().ParseFromString(bytes));
    const auto status =
        CheckMessage(BufferOf({bytes}), *v1::ReasonRequest::descriptor(), {});
    EXPECT_EQ(status.status().code(), absl::StatusCode::kInvalidArgument);
  }
  for (const std::string& bytes :
       {std::string("\x98\x80\x80\x80\x00\x01", 6),
        std::string("\x12\x80\x80\x80\x80\x00", 6)}) {
    EXPECT_TRUE(v1::ReasonRequest().ParseFromString(bytes));
    EXPECT_TRUE(Parse(bytes).ok());
  }
}

TEST(MessageTest, AStringThatIsNotUtf8IsNamed) {
  v1::ReasonRequest request = Request();
  std::string bytes = request.SerializeAsString();
  bytes[bytes.find("weit")] = '\xc3';
  const absl::Status status = Parse(bytes);
  EXPECT_EQ(DetailsOf(status).field, "inputs[1].text");
  EXPECT_THAT(status.message(), HasSubstr("UTF-8"));
}

// 2 bytes of the wire become some 200 in memory.
TEST(MessageTest, ManyEmptyMessagesAreRefusedBeforeTheyAreMade) {
  const absl::Status status = Parse(Repeat(std::string("\x12\x00", 2), 10001));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("10000 elements"));
  EXPECT_EQ(DetailsOf(status).field, "inputs[10000]");
  EXPECT_TRUE(Parse(Repeat(std::string("\x12\x00", 2), 10000)).ok());
}

TEST(MessageTest, ManyElementsOfAnyKindAreRefused) {
  struct Case {
    const char* name;
    std::string bytes;
  };
  inference::ModelInferRequest strings;
  auto* contents = strings.add_inputs()->mutable_contents();
  for (int i = 0; i < 10001; ++i) contents->add_bytes_contents("");
  inference::ModelInferRequest raw;
  for (int i = 0; i < 10001; ++i) raw.add_raw_input_contents("");
  inference::ModelInferRequest parameters;
  for (int i = 0; i < 10001; ++i) {
    (*parameters.mutable_parameters())[std::to_string(i)];
  }
  inference::ModelInferRequest nested;
  for (int i = 0; i < 101; ++i) {
    auto* input = nested.add_inputs();
    for (int k = 0; k < 101; ++k) {
      (*input->mutable_parameters())[std::to_string(k)];
    }
  }
  for (const Case& test :
       {Case{"empty inputs", Repeat(std::string("\x2a\x00", 2), 10001)},
        {"strings", strings.SerializeAsString()},
        {"raw", raw.SerializeAsString()},
        {"map", parameters.SerializeAsString()},
        {"nested", nested.SerializeAsString()},
        {"unknown numbers", Repeat(std::string("\xa0\x06\x01"), 10001)},
        {"unknown bytes", Repeat(std::string("\xa2\x06\x00", 3), 10001)}}) {
    const absl::Status status = Parse<inference::ModelInferRequest>(test.bytes);
    EXPECT_THAT(status.message(), HasSubstr("10000 elements")) << test.name;
  }
}

// Two bytes of the wire make an unknown field of 16 in memory.
TEST(MessageTest, ValuesOfAnotherWireTypeCountAsUnknownFields) {
  const std::string numbers = Repeat(std::string("\x10\x10"), 10001);
  const absl::Status status = Parse<v1::SegmentRequest>(numbers);
  EXPECT_THAT(status.message(), HasSubstr("10000 elements"));
  EXPECT_EQ(DetailsOf(status).field, "field 2");
}

// One byte of the wire becomes eight in memory.
TEST(MessageTest, PackedNumbersAreBoundedByWhatTheyTake) {
  inference::ModelInferRequest request;
  auto* contents = request.add_inputs()->mutable_contents();
  for (int i = 0; i < 100000; ++i) contents->add_int64_contents(1);
  const std::string bytes = request.SerializeAsString();
  EXPECT_TRUE(
      Parse<inference::ModelInferRequest>(bytes, {.max_bytes = 1 << 20}).ok());
  const absl::Status status =
      Parse<inference::ModelInferRequest>(bytes, {.max_bytes = 200000});
  EXPECT_THAT(status.message(), HasSubstr("too many numbers"));
}

TEST(MessageTest, AMessageOverTheLimitIsRefusedWithItsReason) {
  v1::ReasonRequest request;
  request.add_inputs()->set_image(std::string(1000, 'x'));
  const std::string bytes = request.SerializeAsString();
  const auto size = static_cast<int64_t>(bytes.size());
  EXPECT_TRUE(Parse(bytes, {.max_bytes = size}).ok());
  const absl::Status status = Parse(bytes, {.max_bytes = size - 1});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kMessageTooLarge);
  EXPECT_FALSE(DetailsOf(status).retry_after.has_value());
}

}  // namespace
}  // namespace cooper::rpc
