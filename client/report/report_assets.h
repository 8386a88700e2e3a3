#ifndef COOPER_CLIENT_REPORT_REPORT_ASSETS_H_
#define COOPER_CLIENT_REPORT_REPORT_ASSETS_H_

namespace cooper::client {

// report.css and report.js, embedded at build time by embed.cmake.
extern const char kReportCss[];
extern const char kReportJs[];

}  // namespace cooper::client

#endif  // COOPER_CLIENT_REPORT_REPORT_ASSETS_H_
