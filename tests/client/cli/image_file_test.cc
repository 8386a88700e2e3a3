#include "client/cli/image_file.h"

#include <fstream>

#include "tests/client/events.h"
#include "tests/testing/status_matchers.h"

namespace cooper::client {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::HasSubstr;

TEST(ImageFileTest, ReadsBytesAsTheyAre) {
  const std::string path = ::testing::TempDir() + "/image_file_test scene.PNG";
  std::ofstream(path, std::ios::binary) << kTinyPng;
  ASSERT_OK_AND_ASSIGN(const auto image, ReadImage(path, 3));
  EXPECT_EQ(image.bytes, kTinyPng);
  EXPECT_EQ(image.name, "image_file_test scene.PNG");
  EXPECT_EQ(image.file, "input3.png");
}

TEST(ImageFileTest, AnEmptyFileIsTheServersToRefuse) {
  const std::string path = ::testing::TempDir() + "/image_file_test_empty";
  std::ofstream(path).flush();
  ASSERT_OK_AND_ASSIGN(const auto image, ReadImage(path, 0));
  EXPECT_EQ(image.bytes, "");
}

TEST(ImageFileTest, NamesAFileThatCannotBeRead) {
  EXPECT_THAT(ReadImage("/nonexistent/a.png", 0),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("/nonexistent/a.png: No such file")));
  EXPECT_THAT(ReadImage(::testing::TempDir(), 0),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("it is a folder")));
}

}  // namespace
}  // namespace cooper::client
