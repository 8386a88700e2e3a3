#include "model/checkpoint/safetensors_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"

namespace cooper::checkpoint {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::HasSubstr;

std::string Length(uint64_t bytes) {
  std::string prefix(8, '\0');
  for (int i = 0; i < 8; ++i) prefix[i] = static_cast<char>(bytes >> 8 * i);
  return prefix;
}

std::string FileOf(const std::string& header, size_t data_bytes) {
  return Length(header.size()) + header + std::string(data_bytes, '\1');
}

auto Parse(const std::string& bytes) {
  return ParseSafetensors(
      absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(bytes.data()),
                          bytes.size()),
      bytes.size());
}

// One entry named "x".
std::string Entry(const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return absl::StrCat(R"({"x":{"dtype":)", dtype, R"(,"shape":)", shape,
                      R"(,"data_offsets":)", offsets, "}}");
}

std::string Pair(const std::string& offsets_a, const std::string& offsets_b) {
  return absl::StrCat(
      R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)", offsets_a,
      R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)", offsets_b, "}}");
}

struct BadFile {
  const char* name;
  std::string bytes;
  const char* rule;  // part of the message
};

class MalformedSafetensors : public ::testing::TestWithParam<BadFile> {};

TEST_P(MalformedSafetensors, IsRefusedByItsRule) {
  EXPECT_THAT(Parse(GetParam().bytes), StatusIs(absl::StatusCode::kDataLoss,
                                                HasSubstr(GetParam().rule)));
}

INSTANTIATE_TEST_SUITE_P(
    Prefix, MalformedSafetensors,
    ::testing::Values(
        BadFile{"Empty", "", "file has 0 bytes, needs 8"},
        BadFile{"SevenBytes", std::string(7, '\0'), "needs 8"},
        BadFile{"LengthAboveLimit", Length(100'000'001) + "{}",
                "above the limit 100000000"},
        BadFile{"LengthAboveLimitAll64Bits", Length(~uint64_t{0}) + "{}",
                "above the limit"},
        BadFile{"LengthAboveFile", Length(3) + "{}", "more than the file"},
        BadFile{"LengthZero", Length(0) + "{}", "begin with '{'"},
        BadFile{"NotABrace", FileOf("[]", 0), "begin with '{'"},
        BadFile{"LeadingSpace", FileOf(" {}", 0), "begin with '{'"},
        BadFile{"ByteOrderMark", FileOf("\xEF\xBB\xBF{}", 0),
                "begin with '{'"}),
    [](const auto& row) { return row.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Json, MalformedSafetensors,
    ::testing::Values(
        BadFile{"Unclosed", FileOf("{", 0), "not JSON"},
        BadFile{"AfterTheObject", FileOf("{}x", 0), "not JSON"},
        BadFile{"NulAfterTheObject", FileOf(std::string("{}\0\0", 4), 0),
                "NUL byte"},
        BadFile{"BadUtf8", FileOf("{\"\xFF\":{}}", 0), "not JSON"},
        BadFile{"EntryNotAnObject", FileOf(R"({"x":1})", 0),
                "tensor \"x\": must be an object, not the number 1"},
        BadFile{"NestedDeep", FileOf("{\"x\":" + std::string(100000, '['), 0),
                "tensor \"x\": must be an object, not a list"},
        BadFile{
            "RepeatedTensor",
            FileOf(R"({"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
                   R"("\u0078":{"dtype":"U8","shape":[0],)"
                   R"("data_offsets":[0,0]}})",
                   0),
            "tensor \"x\": name repeated"},
        BadFile{"RepeatedField",
                FileOf(R"({"x":{"dtype":"U8","dtype":"U8","shape":[0],)"
                       R"("data_offsets":[0,0]}})",
                       0),
                "key \"dtype\" repeated"},
        BadFile{"UnknownField", FileOf(R"({"x":{"type":"U8"}})", 0),
                "unknown key \"type\""},
        BadFile{"MetadataNotAnObject", FileOf(R"({"__metadata__":"x"})", 0),
                "must be an object"},
        BadFile{"MetadataNumber", FileOf(R"({"__metadata__":{"k":1}})", 0),
                "__metadata__ values must be strings"},
        BadFile{"MetadataNested", FileOf(R"({"__metadata__":{"k":{}}})", 0),
                "__metadata__ values must be strings"},
        BadFile{"MetadataRepeatedKey",
                FileOf(R"({"__metadata__":{"k":"","k":""}})", 0),
                "key \"k\" repeated"},
        BadFile{"MetadataTwice",
                FileOf(R"({"__metadata__":{},"__metadata__":{}})", 0),
                "repeated"}),
    [](const auto& row) { return row.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Entry, MalformedSafetensors,
    ::testing::Values(
        BadFile{"NoDtype", FileOf(R"({"x":{}})", 0),
                "tensor \"x\": dtype missing"},
        BadFile{"NoShape", FileOf(R"({"x":{"dtype":"U8"}})", 0),
                "shape missing"},
        BadFile{"NoOffsets", FileOf(R"({"x":{"dtype":"U8","shape":[]}})", 0),
                "data_offsets missing"},
        BadFile{"UnknownDtype", FileOf(Entry(R"("F17")", "[1]", "[0,1]"), 1),
                "unknown dtype \"F17\""},
        BadFile{"DtypeNotAString", FileOf(Entry("8", "[1]", "[0,1]"), 1),
                "dtype must be a string"},
        BadFile{"NegativeShape", FileOf(Entry(R"("U8")", "[-1]", "[0,1]"), 1),
                "shape must hold integers"},
        BadFile{"FloatShape", FileOf(Entry(R"("U8")", "[1.0]", "[0,1]"), 1),
                "shape must hold integers"},
        BadFile{"HugeShape",
                FileOf(Entry(R"("U8")", "[99999999999999999999]", "[0,1]"), 1),
                "shape must hold integers"},
        BadFile{"ShapeAbove63Bits",
                FileOf(Entry(R"("U8")", "[9223372036854775808]", "[0,1]"), 1),
                "shape must hold integers"},
        BadFile{"ShapeNotAList", FileOf(Entry(R"("U8")", "1", "[0,1]"), 1),
                "shape must be a list"},
        BadFile{"NestedShape", FileOf(Entry(R"("U8")", "[[1]]", "[0,1]"), 1),
                "shape must hold integers"},
        BadFile{"TooManyDimensions",
                FileOf(Entry(
                           R"("U8")",
                           "[1" +
                               [] {
                                 std::string ones;
                                 for (int i = 0; i < 32; ++i) ones += ",1";
                                 return ones;
                               }() +
                               "]",
                           "[0,1]"),
                       1),
                "more than 32 dimensions"},
        BadFile{"ProductOverflow",
                FileOf(Entry(R"("U8")", "[4294967296,4294967296]", "[0,0]"), 0),
                "overflows 64 bits"},
        BadFile{
            "ProductOverflowHiddenByZero",
            FileOf(Entry(R"("U8")", "[0,4294967296,4294967296]", "[0,0]"), 0),
            "overflows 64 bits"},
        BadFile{"ByteSizeOverflow",
                FileOf(Entry(R"("F64")", "[2305843009213693952]", "[0,0]"), 0),
                "overflows 64 bits"},
        BadFile{"SizeIsNotShapeTimesDtype",
                FileOf(Entry(R"("F32")", "[2]", "[0,7]"), 7),
                "span 7 bytes, shape and dtype need 8"},
        BadFile{"OneOffset", FileOf(Entry(R"("U8")", "[1]", "[0]"), 1),
                "two numbers"},
        BadFile{"ThreeOffsets", FileOf(Entry(R"("U8")", "[1]", "[0,1,1]"), 1),
                "more than two data_offsets"},
        BadFile{"NegativeOffset", FileOf(Entry(R"("U8")", "[1]", "[-1,0]"), 1),
                "data_offsets must hold integers"},
        BadFile{"BeginAboveEnd", FileOf(Entry(R"("U8")", "[1]", "[1,0]"), 1),
                "begin 1 > end 0"}),
    [](const auto& row) { return row.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Layout, MalformedSafetensors,
    ::testing::Values(
        BadFile{"FirstOffsetNotZero",
                FileOf(Entry(R"("U8")", "[1]", "[1,2]"), 2),
                "first offset is not 0"},
        BadFile{"Gap", FileOf(Pair("[0,2]", "[3,5]"), 5),
                "tensor \"b\": data_offsets: gap before it"},
        BadFile{"Overlap", FileOf(Pair("[0,2]", "[1,3]"), 3),
                "tensor \"b\": data_offsets: overlaps"},
        BadFile{"SameRange", FileOf(Pair("[0,2]", "[0,2]"), 2), "overlaps"},
        BadFile{"Truncated", FileOf(Pair("[0,2]", "[2,4]"), 3),
                "tensor \"b\": data ends at 4, file has 3"},
        BadFile{"BytesAfterTheLast", FileOf(Pair("[0,2]", "[2,4]"), 5),
                "1 bytes after the last tensor"},
        BadFile{"BytesWithoutTensors", FileOf("{}", 1),
                "1 bytes after the last tensor"}),
    [](const auto& row) { return row.param.name; });

TEST(SafetensorsHeader, TakesTrailingSpacesAndMetadata) {
  const std::string bytes =
      FileOf(R"({"__metadata__":{"format":"pt"},"x":{"dtype":"I16",)"
             R"("shape":[2,1],"data_offsets":[0,4]}}      )",
             4);
  ASSERT_OK_AND_ASSIGN(const auto tensors, Parse(bytes));
  ASSERT_EQ(tensors.size(), 1);
  const StoredTensor& x = tensors.at("x");
  EXPECT_EQ(x.dtype, DType::kInt16);
  EXPECT_EQ(x.shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(x.bytes, 4);
  EXPECT_EQ(x.offset_bytes, bytes.size() - 4);
}

TEST(SafetensorsHeader, TakesZeroSizeAndRankZeroTensors) {
  const std::string header =
      R"({"scalar":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
      R"("none":{"dtype":"F64","shape":[3,0],"data_offsets":[4,4]},)"
      R"("also":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})";
  const std::string bytes = FileOf(header, 4);
  ASSERT_OK_AND_ASSIGN(const auto tensors, Parse(bytes));
  EXPECT_EQ(tensors.at("scalar").bytes, 4);
  EXPECT_TRUE(tensors.at("scalar").shape.empty());
  EXPECT_EQ(tensors.at("none").bytes, 0);
  EXPECT_EQ(tensors.at("also").bytes, 0);
}

TEST(SafetensorsHeader, TakesAFileWithoutTensors) {
  ASSERT_OK_AND_ASSIGN(const auto tensors, Parse(FileOf("{}", 0)));
  EXPECT_TRUE(tensors.empty());
}

TEST(SafetensorsHeader, BoundsTheNumberOfTensors) {
  std::string header = "{";
  for (size_t i = 0; i <= kMaxTensors; ++i) {
    absl::StrAppend(&header, i == 0 ? "" : ",", "\"", i,
                    R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})");
  }
  EXPECT_THAT(Parse(FileOf(header + "}", 0)),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("more than 200000 tensors")));
}

TEST(SafetensorsHeader, BoundsTheNumberOfMetadataKeys) {
  std::string header = R"({"__metadata__":{)";
  for (size_t i = 0; i <= kMaxMetadataKeys; ++i) {
    absl::StrAppend(&header, i == 0 ? "" : ",", "\"", i, R"(":"")");
  }
  EXPECT_THAT(Parse(FileOf(header + "}}", 0)),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("more than 200000 keys")));
}

// The JSON reader takes seconds for such of 100 MB.
TEST(SafetensorsHeader, RefusesHugeTokensButTakesLongPadding) {
  const std::string huge(kMaxTokenBytes + 1, '1');
  for (const std::string& header :
       {R"({")" + huge + R"(":0})", R"({"a":{"shape":[)" + huge + "]}}",
        R"({"a":{"shape":[)" + huge, R"({"a":{"dtype":")" + huge + R"("}})"}) {
    EXPECT_THAT(Parse(FileOf(header, 0)),
                StatusIs(absl::StatusCode::kDataLoss,
                         HasSubstr("of more than 1048576 bytes")));
  }
  EXPECT_OK(
      Parse(FileOf("{}" + std::string(2 * kMaxTokenBytes, ' '), 0)).status());
}

}  // namespace
}  // namespace cooper::checkpoint
