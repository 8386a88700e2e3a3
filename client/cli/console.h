#ifndef COOPER_CLIENT_CLI_CONSOLE_H_
#define COOPER_CLIENT_CLI_CONSOLE_H_

#include <ostream>
#include <string>

#include "absl/strings/string_view.h"

namespace cooper::client {

// The terminal, or what stands in its place. Answers go to `out`, notices and
// the progress bar to `err`; where both are one screen they do not write over
// each other. Where a stream is no terminal nothing but plain text goes to it:
// no colour, no bar, no control character. Not thread-safe.
class Console {
 public:
  struct Traits {
    bool out_is_terminal = false;
    bool err_is_terminal = false;
    bool colour = false;  // on those that are terminals
    bool unicode = false;
    int columns = 80;    // of the terminal
    bool quiet = false;  // no notices and no bar
  };

  // Light styling for text on `out`.
  enum class Look { kPlain, kThought, kRequest, kAnswer };

  Console(std::ostream& out, std::ostream& err, const Traits& traits)
      : out_(out), err_(err), traits_(traits) {}

  // The process's own streams; NO_COLOR and TERM=dumb are honoured.
  static Traits DetectTraits();

  const Traits& traits() const { return traits_; }

  // Writes text of the server at once, made printable.
  void Text(absl::string_view text, Look look = Look::kPlain);
  // Ends the line on `out` if one is open.
  void EndLine();
  // A line to `out`, as it is: for JSON and tables.
  void Line(absl::string_view line);

  // A line of plain news, or of what went wrong, to `err`.
  void Notice(absl::string_view line);
  void Problem(absl::string_view line);

  // Draws `line` in place of the last one; nothing where `err` is no terminal.
  void Bar(absl::string_view line);
  void ClearBar();

  // False once a write to `out` failed, as on a full disk.
  bool good() const { return out_.good(); }

 private:
  void WriteErr(absl::string_view line, absl::string_view style);

  std::ostream& out_;
  std::ostream& err_;
  const Traits traits_;
  bool line_open_ = false;
  bool bar_shown_ = false;
};

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_CONSOLE_H_
