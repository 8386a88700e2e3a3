#ifndef COOPER_CLIENT_REPORT_USAGE_HTML_H_
#define COOPER_CLIENT_REPORT_USAGE_HTML_H_

#include <string>

#include "cooper/v1/spatial_reasoning.pb.h"

namespace cooper::client {

// A <section> that shows where the time of a request went, as a bar with its
// legend, and what it used.
std::string UsageSection(const v1::Usage& usage);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_REPORT_USAGE_HTML_H_
