#include "server/program.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/log_thread.h"
#include "base/logging.h"
#include "server/acceptor.h"
#include "server/flags.h"
#include "server/lifecycle.h"
#include "server/process_memory.h"
#include "server/signals.h"

namespace cooper {
namespace {

constexpr char kUsage[] =
    "Serves the COOPER model over gRPC (cooper.v1.SpatialReasoningService).\n"
    "Flags can also come from --flagfile=FILE. Exit codes: 0 stopped by a\n"
    "signal, 1 start failed, 2 bad flag, 3 the device or the engine failed or\n"
    "hung, 4 no usable GPU or too little GPU memory, 5 the listener accepts "
    "no\n"
    "connection any more.";

// Gives the standard streams that the process was started without /dev/null, so
// that no socket gets the number of one, and with it the log.
void OpenStandardStreams() {
  int file = open("/dev/null", O_RDWR);
  while (file >= 0 && file <= STDERR_FILENO) file = open("/dev/null", O_RDWR);
  if (file >= 0) close(file);
}

// The flag library ends the process with 1 for a flag that it cannot parse;
// ours is 2 (and 0 for --help).
int g_exit_code_of_parsing = static_cast<int>(ExitCode::kUsage);
bool g_parsing = true;
// What it says meanwhile.
std::ostringstream* g_said = nullptr;

// A line of the log for each of its lines where the log is JSON.
void SaySaid() {
  const std::string said = g_said->str();
  if (!LogsAreJson()) {
    std::fputs(said.c_str(), stderr);
    return;
  }
  base::SetLogFormat(base::LogFormat::kJson);
  for (const absl::string_view line :
       absl::StrSplit(said, '\n', absl::SkipWhitespace())) {
    base::LogFailure("cooper_server", line);
  }
}

std::vector<char*> ParseFlags(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    static char help[] = "--help";
    if (std::strcmp(argv[i], "-h") == 0) argv[i] = help;
    if (std::strncmp(argv[i], "--help", 6) == 0) g_exit_code_of_parsing = 0;
  }
  g_said = new std::ostringstream();
  std::streambuf* const own = std::cerr.rdbuf(g_said->rdbuf());
  std::atexit([] {
    if (!g_parsing) return;
    SaySaid();
    std::cout.flush();
    std::fflush(nullptr);
    std::_Exit(g_exit_code_of_parsing);
  });
  std::vector<char*> rest = absl::ParseCommandLine(argc, argv);
  g_parsing = false;
  std::cerr.rdbuf(own);
  SaySaid();
  return rest;
}

}  // namespace

int RunProgram(
    int argc, char** argv, absl::string_view more_flags,
    absl::FunctionRef<absl::Status(LifecycleOptions*)> choose_model) {
  OpenStandardStreams();
  PrepareSignals();
  PrepareMemory();
  absl::SetProgramUsageMessage(kUsage);
  absl::FlagsUsageConfig usage;
  // By default --help would look for a file that is named like the program.
  usage.contains_help_flags =
      [more = std::string(more_flags)](absl::string_view file) {
        return absl::EndsWith(file, kFlagsFile) ||
               (!more.empty() && absl::EndsWith(file, more));
      };
  usage.normalize_filename = [](absl::string_view file) {
    size_t at = file.rfind("/server/");
    if (at == absl::string_view::npos) at = file.rfind("/tests/");
    return std::string(at == absl::string_view::npos ? file
                                                     : file.substr(at + 1));
  };
  absl::SetFlagsUsageConfig(usage);
  const std::vector<char*> rest = ParseFlags(argc, argv);
  LifecycleOptions options;
  absl::Status flags = ReadFlags(&options);
  if (flags.ok()) flags = choose_model(&options);
  std::string fault;
  if (!flags.ok()) {
    fault = absl::StrCat("--", flags.message());
  } else if (rest.size() > 1) {
    fault =
        absl::StrCat("unexpected argument \"", base::Printable(rest[1]), "\"");
  }
  if (!fault.empty()) {
    base::LogFailure("cooper_server", fault);
    return static_cast<int>(ExitCode::kUsage);
  }
  RaiseDescriptorLimit();
  base::StartLogThread();
  const ExitCode code = RunServer(options);
  base::FlushLog();
  return static_cast<int>(code);
}

}  // namespace cooper
