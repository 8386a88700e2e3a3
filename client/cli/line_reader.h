#ifndef COOPER_CLIENT_CLI_LINE_READER_H_
#define COOPER_CLIENT_CLI_LINE_READER_H_

#include <optional>
#include <string>

namespace cooper::client {

// Lines of a file descriptor, which may be a terminal or a pipe. Next belongs
// to one thread, Stop may come from any.
class LineReader {
 public:
  // Does not own `fd`.
  explicit LineReader(int fd);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // Waits for the next line, which is given without its end. nullopt: there is
  // none any more, or Stop was called.
  std::optional<std::string> Next();
  // Ends the wait, and all later ones.
  void Stop();

 private:
  // Whether there is something to read; false: stopped.
  bool Wait() const;

  const int fd_;
  int stop_[2] = {-1, -1};  // a pipe; its closing wakes the reader
  std::string buffer_;
  bool ended_ = false;
};

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_LINE_READER_H_
