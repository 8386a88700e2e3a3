// ParseWorkload: JSON lines into requests.
#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/bench/work_item.h"
#include "client/bench/workload.h"

namespace cooper::client::bench {
namespace {

using Json = nlohmann::json;

absl::Status Wrong(absl::string_view what) {
  return absl::InvalidArgumentError(what);
}

// Sets the fields that `json` names, in place of those of *request.
template <typename Request>
absl::Status Override(const std::string& json, Request* request) {
  Request given;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &given);
  if (!status.ok()) {
    return Wrong(absl::StrCat("options: ", std::string(status.message())));
  }
  request->MergeFrom(given);
  return absl::OkStatus();
}

absl::Status Override(Kind kind, const std::string& json,
                      RequestOptions* options) {
  switch (kind) {
    case Kind::kAsk:
    case Kind::kTextOnly:
    case Kind::kPerceive:
      return Override(json, &options->reason);
    case Kind::kDepth:
      return Override(json, &options->depth);
    case Kind::kSegment:
      return Override(json, &options->segment);
    case Kind::kGenerate:
      return Override(json, &options->generate);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> Images(const Json& value,
                                                const ImageReader& read_image) {
  std::vector<std::string> images;
  const Json list = value.is_array() ? value : Json::array({value});
  for (const Json& path : list) {
    if (!path.is_string()) return Wrong("image is neither a path nor a list");
    auto bytes = read_image(path.get<std::string>());
    if (!bytes.ok()) return bytes.status();
    images.push_back(*std::move(bytes));
  }
  return images;
}

absl::StatusOr<WorkItem> ParseLine(absl::string_view line,
                                   RequestOptions options,
                                   const ImageReader& read_image) {
  const Json json = Json::parse(line.begin(), line.end(), nullptr,
                                /*allow_exceptions=*/false);
  if (!json.is_object()) return Wrong("no JSON object");
  std::optional<Kind> kind;
  std::vector<std::string> images;
  std::string question;
  std::string overrides;
  for (const auto& [key, value] : json.items()) {
    if (key == "method" && value.is_string()) {
      kind = KindOf(value.get<std::string>());
    } else if (key == "image") {
      auto read = Images(value, read_image);
      if (!read.ok()) return read.status();
      images = *std::move(read);
    } else if (key == "question" && value.is_string()) {
      question = value.get<std::string>();
    } else if (key == "options" && value.is_object()) {
      overrides = value.dump();
    } else {
      return Wrong(absl::StrCat("\"", key,
                                "\" is no key, or its value is of "
                                "another type"));
    }
  }
  if (!kind.has_value()) {
    return Wrong(absl::StrCat("method is none of ", KindNames()));
  }
  if (!overrides.empty()) {
    absl::Status status = Override(*kind, overrides, &options);
    if (!status.ok()) return status;
  }
  const bool map = *kind == Kind::kDepth || *kind == Kind::kSegment;
  if (!map && question.empty()) return Wrong("no question");
  return MakeWorkItem(*kind, images, question, options);
}

}  // namespace

absl::StatusOr<Workload> ParseWorkload(absl::string_view text,
                                       const RequestOptions& options,
                                       const ImageReader& read_image) {
  Workload workload;
  workload.in_order = true;
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    auto item = ParseLine(line, options, read_image);
    if (!item.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, ": ", item.status().message()));
    }
    workload.items.push_back(*std::move(item));
  }
  if (workload.items.empty()) return Wrong("it has no request");
  return workload;
}

}  // namespace cooper::client::bench
