#ifndef COOPER_CLIENT_CLI_IMAGE_FILE_H_
#define COOPER_CLIENT_CLI_IMAGE_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "client/report/report.h"

namespace cooper::client {

// Reads the `index`th image of a request from a file, or from standard input
// ("-"): its bytes as they are, the file's name, and the name of its copy in an
// output folder. INVALID_ARGUMENT with the path if it cannot be read. The
// server judges the content.
absl::StatusOr<ReportRequest::Image> ReadImage(const std::string& path,
                                               size_t index);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_IMAGE_FILE_H_
