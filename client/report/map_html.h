#ifndef COOPER_CLIENT_REPORT_MAP_HTML_H_
#define COOPER_CLIENT_REPORT_MAP_HTML_H_

#include <string>

#include "absl/strings/string_view.h"
#include "client/report/transcript.h"

namespace cooper::client {

// A <figure> of one map: the picture, beside it the input image with the id
// `beside` (empty: none), and what helps to read it: for depth a legend and the
// values for the pointer, for a segmentation its regions, the previews as a
// filmstrip. An unfinished map shows its last preview and says so.
std::string MapFigure(const MapBlock& map, absl::string_view beside);

// " crisp" for pictures so small that enlarging them must keep their pixels
// sharp, else "". `width_px`: of the picture.
absl::string_view CrispClass(int width_px);

// "depth map", "segmentation", "image".
absl::string_view MapNoun(v1::MapKind kind);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_REPORT_MAP_HTML_H_
