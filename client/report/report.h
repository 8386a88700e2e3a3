#ifndef COOPER_CLIENT_REPORT_REPORT_H_
#define COOPER_CLIENT_REPORT_REPORT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/proto_names.h"
#include "client/report/transcript.h"

namespace cooper::client {

// What was asked, as the report tells it.
struct ReportRequest {
  struct Image {
    std::string name;  // for the reader, as "scene.png"
    std::string file;  // its copy beside the report, as "input0.png"
    std::string bytes;
  };
  // The command of the tool: "ask", "depth", "segment", "generate".
  std::string command;
  // The question; empty for a map alone.
  std::string text;
  std::vector<Image> images;
  // Options that were given.
  std::vector<Fact> options;
  // The server, where it is not the tool's default one.
  std::string server = {};
};

// One HTML page that tells a whole call: the question, the images, the
// thoughts, each map where it was generated, the answer, where the time went.
// The page is complete in itself: it loads nothing, images are inside, and its
// security policy forbids the rest. Text of the model is only ever text.
// `outcome` not OK: the page says how the call ended and shows what came.
std::string RenderReport(const ReportRequest& request,
                         const Transcript& transcript,
                         const absl::Status& outcome);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_REPORT_REPORT_H_
