#include "client/cli/console.h"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <clocale>
#include <cstdlib>

#include "client/text.h"

namespace cooper::client {
namespace {

constexpr absl::string_view kReset = "\x1b[0m";
constexpr absl::string_view kDim = "\x1b[2m";
constexpr absl::string_view kRed = "\x1b[31m";
// To the line's start, and all of it away.
constexpr absl::string_view kClearLine = "\r\x1b[2K";

absl::string_view StyleOf(Console::Look look) {
  switch (look) {
    case Console::Look::kThought:
      return kDim;
    case Console::Look::kRequest:
      return "\x1b[3;36m";  // italic, cyan
    case Console::Look::kAnswer:
      return "\x1b[1m";
    default:
      return "";
  }
}

}  // namespace

Console::Traits Console::DetectTraits() {
  Traits traits;
  traits.out_is_terminal = isatty(STDOUT_FILENO) == 1;
  traits.err_is_terminal = isatty(STDERR_FILENO) == 1;
  // NOLINTBEGIN(concurrency-mt-unsafe): called once, before threads start.
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool dumb = term == nullptr || absl::string_view(term) == "dumb";
  traits.colour = !dumb && (no_color == nullptr || *no_color == '\0');
  std::setlocale(LC_CTYPE, "");
  traits.unicode = absl::string_view(nl_langinfo(CODESET)) == "UTF-8";
  // NOLINTEND(concurrency-mt-unsafe)
  // A dumb terminal cannot redraw a line.
  if (dumb) traits.err_is_terminal = false;
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    traits.columns = size.ws_col;
  }
  return traits;
}

void Console::Text(absl::string_view text, Look look) {
  if (text.empty()) return;
  ClearBar();
  const bool styled =
      traits_.out_is_terminal && traits_.colour && look != Look::kPlain;
  if (styled) out_ << StyleOf(look);
  out_ << Printable(text);
  if (styled) out_ << kReset;
  out_.flush();
  line_open_ = text.back() != '\n';
}

void Console::EndLine() {
  if (!line_open_) return;
  out_ << '\n';
  out_.flush();
  line_open_ = false;
}

void Console::Line(absl::string_view line) {
  ClearBar();
  EndLine();
  out_ << line << '\n';
  out_.flush();
}

void Console::Notice(absl::string_view line) {
  if (!traits_.quiet) WriteErr(line, kDim);
}

void Console::Problem(absl::string_view line) { WriteErr(line, kRed); }

void Console::WriteErr(absl::string_view line, absl::string_view style) {
  ClearBar();
  // On one screen the notice would continue the model's line.
  if (traits_.out_is_terminal && traits_.err_is_terminal) EndLine();
  const bool styled = traits_.err_is_terminal && traits_.colour;
  if (styled) err_ << style;
  err_ << Printable(line);
  if (styled) err_ << kReset;
  err_ << '\n';
  err_.flush();
}

void Console::Bar(absl::string_view line) {
  if (!traits_.err_is_terminal || traits_.quiet) return;
  if (traits_.out_is_terminal) EndLine();
  err_ << kClearLine << line;
  err_.flush();
  bar_shown_ = true;
}

void Console::ClearBar() {
  if (!bar_shown_) return;
  err_ << kClearLine;
  err_.flush();
  bar_shown_ = false;
}

}  // namespace cooper::client
