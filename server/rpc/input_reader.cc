#include "server/rpc/input_reader.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "server/engine/core/error.h"

namespace cooper::rpc {
namespace {

// `reason` of cooper_image_rejections_total.
const char* const kTooManyPixels =
    image::RejectionName(image::Rejection::kPixels);
constexpr char kTooManyImages[] = "count";

}  // namespace

absl::Status InputReader::AddImage(std::string bytes, std::string field) {
  COOPER_RETURN_IF_ERROR(CountImage(field));
  const absl::StatusOr<image::ImageHeader> header =
      image::ProbeImage(bytes, image_limits_);
  if (!header.ok()) {
    return Refuse(image::RejectionName(image::RejectionOf(header.status())),
                  field, header.status().message());
  }
  COOPER_RETURN_IF_ERROR(
      AddToPixels(header->size.width, header->size.height, field));
  inputs_.push_back(engine::ImageInput{std::move(bytes), std::move(field)});
  return absl::OkStatus();
}

absl::Status InputReader::AddPixels(std::string pixels, int64_t width,
                                    int64_t height, std::string field) {
  COOPER_RETURN_IF_ERROR(CountImage(field));
  const absl::Status size = image::CheckSize(width, height, image_limits_);
  if (!size.ok()) {
    return Refuse(image::RejectionName(image::RejectionOf(size)), field,
                  size.message());
  }
  COOPER_RETURN_IF_ERROR(AddToPixels(width, height, field));
  inputs_.push_back(
      engine::ImageInput{std::move(pixels),
                         std::move(field),
                         {static_cast<int>(width), static_cast<int>(height)}});
  return absl::OkStatus();
}

absl::Status InputReader::AddText(std::string text, absl::string_view field) {
  text_bytes_ += static_cast<int64_t>(text.size());
  if (text_bytes_ > limits_.max_text_bytes) {
    return engine::InvalidField(
        field, absl::StrCat("the request's texts have ", text_bytes_,
                            " bytes together, at most ", limits_.max_text_bytes,
                            " are allowed"));
  }
  has_text_ = has_text_ || !base::IsBlank(text);
  inputs_.push_back(engine::TextInput{std::move(text)});
  return absl::OkStatus();
}

absl::Status InputReader::CountImage(absl::string_view field) {
  if (++images_ <= limits_.max_images) return absl::OkStatus();
  return Refuse(
      kTooManyImages, field,
      absl::StrCat("more than ", limits_.max_images, " images in one request"));
}

absl::Status InputReader::AddToPixels(int64_t width, int64_t height,
                                      absl::string_view field) {
  pixels_ += width * height;
  if (pixels_ <= image_limits_.max_pixels) return absl::OkStatus();
  return Refuse(kTooManyPixels, field,
                absl::StrCat("the request's images have ", pixels_,
                             " pixels together, at most ",
                             image_limits_.max_pixels, " are allowed"));
}

absl::Status InputReader::Refuse(absl::string_view reason,
                                 absl::string_view field,
                                 absl::string_view message) {
  metrics_.ImageRejected(reason);
  engine::ErrorDetails details;
  details.reason = engine::ErrorReason::kInvalidImage;
  details.field = std::string(field);
  return engine::MakeError(details, absl::StrCat(field, ": ", message));
}

}  // namespace cooper::rpc
