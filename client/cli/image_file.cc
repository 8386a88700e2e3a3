#include "client/cli/image_file.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/report/html.h"

namespace cooper::client {

namespace {

absl::StatusOr<ReportRequest::Image> ReadStandardInput(size_t index) {
  ReportRequest::Image image;
  image.name = "standard input";
  image.bytes.assign(std::istreambuf_iterator<char>(std::cin), {});
  if (std::cin.bad() || image.bytes.empty()) {
    return absl::InvalidArgumentError("standard input holds no image");
  }
  image.file = absl::StrCat("input", index, ImageExtension(image.bytes));
  return image;
}

}  // namespace

absl::StatusOr<ReportRequest::Image> ReadImage(const std::string& path,
                                               size_t index) {
  if (path == "-") return ReadStandardInput(index);
  errno = 0;
  std::error_code error;
  const bool folder = std::filesystem::is_directory(path, error);
  std::ifstream file;
  if (!folder) file.open(path, std::ios::binary);
  std::stringstream content;
  // Inserting an empty file's buffer would count as a failure.
  if (file.is_open() && file.peek() != std::ifstream::traits_type::eof()) {
    content << file.rdbuf();
  }
  if (!file.is_open() || file.bad()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cannot read the image ", path, ": ",
        folder ? "it is a folder" : std::generic_category().message(errno)));
  }
  ReportRequest::Image image;
  image.name = std::filesystem::path(path).filename().string();
  image.bytes = std::move(content).str();
  image.file = absl::StrCat("input", index, ImageExtension(image.bytes));
  return image;
}

}  // namespace cooper::client
