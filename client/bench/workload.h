#ifndef COOPER_CLIENT_BENCH_WORKLOAD_H_
#define COOPER_CLIENT_BENCH_WORKLOAD_H_

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cooper/client/client.h"

namespace cooper::client::bench {

// The kinds of requests: Reason in its three modes, and the other RPCs. "ask"
// takes the mode that its options say.
enum class Kind { kAsk, kTextOnly, kPerceive, kDepth, kSegment, kGenerate };
inline constexpr int kNumKinds = 6;

// "ask", "text_only", "perceive", "depth", "segment", "generate".
absl::string_view KindName(Kind kind);

// What requests set besides images and words.
struct RequestOptions {
  v1::ReasonRequest reason;
  v1::EstimateDepthRequest depth;
  v1::SegmentRequest segment;
  v1::GenerateImageRequest generate;
};

// A request, ready to be sent any number of times.
struct WorkItem {
  Kind kind = Kind::kAsk;
  double weight = 1.0;  // above 0
  std::variant<v1::ReasonRequest, v1::EstimateDepthRequest, v1::SegmentRequest,
               v1::GenerateImageRequest>
      request;

  std::unique_ptr<EventStream> Start(Client& client,
                                     const CallOptions& options) const;
};

// What is asked.
struct Workload {
  std::vector<WorkItem> items;  // at least one
  // One after the other, over and over. False: drawn by weight.
  bool in_order = false;
};

struct MixPart {
  Kind kind = Kind::kAsk;
  double weight = 1.0;
};
// "ask=6,depth=3,segment"; a part without a number weighs 1. INVALID_ARGUMENT
// names the part that is wrong.
absl::StatusOr<std::vector<MixPart>> ParseMix(absl::string_view text);

// Every kind of `mix` about every image and question: the longer list is gone
// through once, the shorter one repeated. No image: questions about none.
// `images` are files' bytes, `questions` at least one. INVALID_ARGUMENT where a
// kind needs an image.
absl::StatusOr<Workload> MixedWorkload(
    const std::vector<MixPart>& mix, const std::vector<std::string>& images,
    const std::vector<std::string>& questions, const RequestOptions& options);

// Bytes of the image file at `path`, as a workload names it.
using ImageReader =
    std::function<absl::StatusOr<std::string>(const std::string& path)>;

// A workload file's content: a request a line, sent in this order,
//   {"method": "ask", "image": "a.png", "question": "...",
//    "options": {"max_turns": 2, "flow": {"num_timesteps": 20}}}
// "method" is a kind's name; "image" a path or a list of them; "options" the
// request's fields in proto3 JSON, over those of `options`. Empty lines are
// passed over. INVALID_ARGUMENT names the line.
absl::StatusOr<Workload> ParseWorkload(absl::string_view text,
                                       const RequestOptions& options,
                                       const ImageReader& read_image);

}  // namespace cooper::client::bench

#endif  // COOPER_CLIENT_BENCH_WORKLOAD_H_
