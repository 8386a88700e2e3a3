# cmake -DCSS=... -DJS=... -DOUT=report_assets.cc -P embed.cmake
file(READ "${CSS}" _css)
file(READ "${JS}" _js)
file(WRITE "${OUT}" "#include \"client/report/report_assets.h\"

namespace cooper::client {

const char kReportCss[] = R\"cooper_asset(${_css})cooper_asset\";
const char kReportJs[] = R\"cooper_asset(${_js})cooper_asset\";

}  // namespace cooper::client
")
