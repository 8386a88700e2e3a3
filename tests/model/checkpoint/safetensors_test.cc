#include "model/checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/model/checkpoint/temp_directory.h"
#include "tests/testing/status_matchers.h"
#include "tests/tools/safetensors_writer.h"

namespace cooper::checkpoint {
namespace {

using ::cooper::testing::StatusIs;
using ::cooper::testing::TempDirectory;
using ::testing::HasSubstr;

const std::vector<SafetensorsWriter::Entry> kEntries = {
    {"weights \"a\"", DType::kFloat32, {2, 2}},
    {"flag", DType::kBool, {}},
    {"none", DType::kInt64, {0, 5}},
    {"half", DType::kBFloat16, {3}},
};
constexpr size_t kDataBytes = 16 + 1 + 0 + 6;

std::string BytesOf(const SafetensorsFile& file, const std::string& name) {
  const StoredTensor* tensor = file.Find(name);
  std::string bytes(tensor->bytes, ' ');
  EXPECT_OK(file.Read(*tensor, bytes.data()));
  return bytes;
}

TEST(SafetensorsWriter, WritesWhatTheReaderReads) {
  const TempDirectory directory;
  const std::string path = directory.File("x.safetensors");
  std::string data;
  for (size_t i = 0; i < kDataBytes; ++i) data += static_cast<char>(i * 7);
  ASSERT_OK_AND_ASSIGN(const auto writer,
                       SafetensorsWriter::Create(path, kEntries));
  // In pieces that respect no tensor's border.
  ASSERT_OK(writer->Append(data.data(), 5));
  ASSERT_OK(writer->Append(data.data() + 5, kDataBytes - 5));
  ASSERT_OK(writer->Close());

  ASSERT_OK_AND_ASSIGN(const auto file, SafetensorsFile::Open(path));
  EXPECT_EQ(file->path(), path);
  ASSERT_EQ(file->tensors().size(), kEntries.size());
  size_t offset = 0;
  for (const auto& entry : kEntries) {
    const StoredTensor* tensor = file->Find(entry.name);
    ASSERT_NE(tensor, nullptr) << entry.name;
    EXPECT_EQ(tensor->name, entry.name);
    EXPECT_EQ(tensor->dtype, entry.dtype);
    EXPECT_EQ(tensor->shape, entry.shape);
    EXPECT_EQ(BytesOf(*file, entry.name), data.substr(offset, tensor->bytes));
    offset += tensor->bytes;
  }
  EXPECT_EQ(offset, kDataBytes);
  EXPECT_EQ(file->Find("other"), nullptr);
}

TEST(SafetensorsWriter, AlignsTheDataTo8Bytes) {
  const TempDirectory directory;
  for (int length = 1; length <= 8; ++length) {
    const std::string path = directory.File("x.safetensors");
    ASSERT_OK_AND_ASSIGN(
        const auto writer,
        SafetensorsWriter::Create(
            path, {{std::string(length, 'n'), DType::kUint8, {1}}}));
    ASSERT_OK(writer->Append("x", 1));
    ASSERT_OK(writer->Close());
    ASSERT_OK_AND_ASSIGN(const auto file, SafetensorsFile::Open(path));
    EXPECT_EQ(file->tensors().begin()->second.offset_bytes % 8, 0);
  }
}

TEST(SafetensorsWriter, SaysThatDataIsMissingOrTooMuch) {
  const TempDirectory directory;
  const std::string path = directory.File("x.safetensors");
  ASSERT_OK_AND_ASSIGN(const auto writer,
                       SafetensorsWriter::Create(path, kEntries));
  const std::string data(kDataBytes + 1, 'x');
  EXPECT_THAT(writer->Append(data.data(), data.size()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("more data than")));
  ASSERT_OK(writer->Append(data.data(), kDataBytes - 2));
  EXPECT_THAT(writer->Close(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                        HasSubstr("2 bytes of data missing")));
  EXPECT_THAT(SafetensorsFile::Open(path),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("truncated")));
}

TEST(SafetensorsWriter, RefusesEntriesThatCannotBe) {
  const TempDirectory directory;
  const std::string path = directory.File("x.safetensors");
  const auto create =
      [&](const std::vector<SafetensorsWriter::Entry>& entries) {
        return SafetensorsWriter::Create(path, entries);
      };
  EXPECT_THAT(
      create({{"x", DType::kUint8, {1}}, {"x", DType::kUint8, {1}}}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("name taken")));
  EXPECT_THAT(
      create({{"__metadata__", DType::kUint8, {1}}}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("name taken")));
  EXPECT_THAT(
      create({{"x", DType::kUint8, {-1}}}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bad shape")));
  EXPECT_THAT(
      create({{"x", DType::kFloat64, {int64_t{1} << 61}}}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bad shape")));
  EXPECT_THAT(SafetensorsWriter::Create(directory.File("no/x"), {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no/x")));
}

TEST(SafetensorsFile, NamesTheFileThatIsNotThere) {
  EXPECT_THAT(SafetensorsFile::Open("/nowhere/x.safetensors"),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("/nowhere/x.safetensors")));
}

TEST(SafetensorsFile, NamesTheFileThatIsMalformed) {
  const TempDirectory directory;
  directory.Write("empty.safetensors", "");
  EXPECT_THAT(SafetensorsFile::Open(directory.File("empty.safetensors")),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("empty.safetensors: an empty file")));
}

TEST(SafetensorsFile, RefusesDirectoriesAndPipes) {
  const TempDirectory directory;
  EXPECT_THAT(
      SafetensorsFile::Open(directory.path()),
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not a regular file")));
  ASSERT_EQ(::mkfifo(directory.File("pipe").c_str(), 0600), 0);
  EXPECT_THAT(
      SafetensorsFile::Open(directory.File("pipe")),
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not a regular file")));
}

TEST(SafetensorsFile, OutlivesTheNameOfItsFile) {
  const TempDirectory directory;
  const std::string path = directory.File("x.safetensors");
  ASSERT_OK_AND_ASSIGN(
      const auto writer,
      SafetensorsWriter::Create(path, {{"x", DType::kUint8, {1}}}));
  ASSERT_OK(writer->Append("y", 1));
  ASSERT_OK(writer->Close());
  ASSERT_OK_AND_ASSIGN(const auto file, SafetensorsFile::Open(path));
  std::filesystem::remove(path);
  EXPECT_EQ(BytesOf(*file, "x"), "y");
}

TEST(SafetensorsFile, FileThatShrinksWhileItIsReadIsAnError) {
  constexpr size_t kBytes = size_t{1} << 20;
  const TempDirectory directory;
  const std::string path = directory.File("x.safetensors");
  ASSERT_OK_AND_ASSIGN(
      const auto writer,
      SafetensorsWriter::Create(path, {{"a", DType::kUint8, {kBytes}},
                                       {"b", DType::kUint8, {kBytes}}}));
  const std::string data(2 * kBytes, 'x');
  ASSERT_OK(writer->Append(data.data(), data.size()));
  ASSERT_OK(writer->Close());
  ASSERT_OK_AND_ASSIGN(const auto file, SafetensorsFile::Open(path));
  const StoredTensor& b = *file->Find("b");
  std::filesystem::resize_file(path, b.offset_bytes + 10);
  EXPECT_EQ(BytesOf(*file, "a"), data.substr(0, kBytes));
  std::string read(kBytes, ' ');
  EXPECT_THAT(file->Read(b, read.data()),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr(path), HasSubstr("tensor \"b\""),
                             HasSubstr("1048566 bytes too early"))));
  std::filesystem::resize_file(path, 0);
  EXPECT_THAT(file->Read(*file->Find("a"), read.data()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("ends at")));
}

TEST(SafetensorsFile, LongHeaderOfASparseFileIsNotRead) {
  const TempDirectory directory;
  const std::string path = directory.File("x.safetensors");
  directory.Write("x.safetensors", "\x01\xe1\xf5\x05" + std::string(4, '\0'));
  std::filesystem::resize_file(path, uint64_t{1} << 40);
  EXPECT_THAT(SafetensorsFile::Open(path),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("header length 100000001 is above")));
}

}  // namespace
}  // namespace cooper::checkpoint
