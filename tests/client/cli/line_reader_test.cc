#include "client/cli/line_reader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

namespace cooper::client {
namespace {

class LineReaderTest : public ::testing::Test {
 protected:
  LineReaderTest() { EXPECT_EQ(pipe(pipe_), 0); }
  ~LineReaderTest() override {
    close(pipe_[0]);
    Close();
  }
  void Write(const std::string& text) {
    EXPECT_EQ(write(pipe_[1], text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
  }
  void Close() {
    if (pipe_[1] >= 0) close(pipe_[1]);
    pipe_[1] = -1;
  }

  int pipe_[2];
};

TEST_F(LineReaderTest, GivesLinesHoweverTheyCome) {
  LineReader lines(pipe_[0]);
  Write("one\ntwo\r\n\nth");
  EXPECT_EQ(lines.Next(), "one");
  EXPECT_EQ(lines.Next(), "two");
  EXPECT_EQ(lines.Next(), "");
  Write("ree\nrest");
  EXPECT_EQ(lines.Next(), "three");
  Close();
  EXPECT_EQ(lines.Next(), "rest");  // without its end
  EXPECT_EQ(lines.Next(), std::nullopt);
  EXPECT_EQ(lines.Next(), std::nullopt);
}

TEST_F(LineReaderTest, StopEndsTheWait) {
  LineReader lines(pipe_[0]);
  std::thread stopper([&lines] { lines.Stop(); });
  EXPECT_EQ(lines.Next(), std::nullopt);
  stopper.join();
  EXPECT_EQ(lines.Next(), std::nullopt);
}

}  // namespace
}  // namespace cooper::client
