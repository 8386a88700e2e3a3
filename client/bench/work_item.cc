#include "client/bench/work_item.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace cooper::client::bench {
namespace {

// Images first: the model was trained to read them before the words.
template <typename Request>
Request WithInputs(Request request, const std::vector<std::string>& images,
                   const std::string& question) {
  for (const std::string& image : images) {
    request.add_inputs()->set_image(image);
  }
  request.add_inputs()->set_text(question);
  return request;
}

template <typename Request>
Request WithImage(Request request, const std::string& image) {
  request.set_image(image);
  return request;
}

struct Starter {
  Client& client;
  const CallOptions& options;

  std::unique_ptr<EventStream> operator()(const v1::ReasonRequest& r) const {
    return client.Reason(r, options);
  }
  std::unique_ptr<EventStream> operator()(
      const v1::EstimateDepthRequest& r) const {
    return client.EstimateDepth(r, options);
  }
  std::unique_ptr<EventStream> operator()(const v1::SegmentRequest& r) const {
    return client.Segment(r, options);
  }
  std::unique_ptr<EventStream> operator()(
      const v1::GenerateImageRequest& r) const {
    return client.GenerateImage(r, options);
  }
};

}  // namespace

std::unique_ptr<EventStream> WorkItem::Start(Client& client,
                                             const CallOptions& options) const {
  return std::visit(Starter{client, options}, request);
}

absl::StatusOr<WorkItem> MakeWorkItem(Kind kind,
                                      const std::vector<std::string>& images,
                                      const std::string& question,
                                      const RequestOptions& options) {
  const bool map = kind == Kind::kDepth || kind == Kind::kSegment;
  if (map && images.size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(KindName(kind), " takes exactly one image"));
  }
  WorkItem item;
  item.kind = kind;
  switch (kind) {
    case Kind::kDepth:
      item.request = WithImage(options.depth, images[0]);
      return item;
    case Kind::kSegment:
      item.request = WithImage(options.segment, images[0]);
      return item;
    case Kind::kGenerate:
      item.request = WithInputs(options.generate, images, question);
      return item;
    case Kind::kAsk:
    case Kind::kTextOnly:
    case Kind::kPerceive:
      break;
  }
  v1::ReasonRequest request = WithInputs(options.reason, images, question);
  if (kind == Kind::kTextOnly) request.set_mode(v1::MODE_TEXT_ONLY);
  if (kind == Kind::kPerceive) {
    request.set_mode(v1::MODE_PERCEIVE_THEN_ANSWER);
  }
  item.request = std::move(request);
  return item;
}

}  // namespace cooper::client::bench
