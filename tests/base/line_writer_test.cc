#include "base/line_writer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"

namespace cooper::base {
namespace {

using ::testing::ElementsAre;

constexpr LineWriter::Limits kSmall = {.max_lines = 8, .max_bytes = 1 << 20};

std::string Note(int64_t dropped) {
  return absl::StrCat("lost ", dropped, "\n");
}

// A pipe whose writing end is full.
class LineWriterTest : public ::testing::Test {
 protected:
  LineWriterTest() {
    signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(pipe(ends_), 0);
    fcntl(ends_[1], F_SETPIPE_SZ, 4096);
  }
  ~LineWriterTest() override {
    CloseReader();
    close(ends_[1]);
  }
  void Fill() {
    filling_ = std::string(4095, '-') + "\n";
    EXPECT_EQ(write(ends_[1], filling_.data(), filling_.size()), 4096);
  }
  void CloseReader() {
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
  }
  // The lines after those of Fill, up to and with `last`.
  std::vector<std::string> ReadTo(const std::string& last) {
    std::string text;
    const std::string end = last + "\n";
    while (text.size() < end.size() ||
           text.compare(text.size() - end.size(), end.size(), end) != 0) {
      char buffer[4096];
      const ssize_t bytes = read(ends_[0], buffer, sizeof(buffer));
      if (bytes <= 0) break;
      text.append(buffer, bytes);
    }
    return absl::StrSplit(text.substr(filling_.size()), '\n',
                          absl::SkipEmpty());
  }
  int writing_end() const { return ends_[1]; }

 private:
  int ends_[2];
  std::string filling_;
};

TEST_F(LineWriterTest, LinesComeInOrderAndWhole) {
  LineWriter writer(writing_end(), {}, "test", Note);
  std::vector<std::string> expected;
  for (int i = 0; i < 2000; ++i) {
    expected.push_back(absl::StrCat("line ", i, std::string(i % 100, 'x')));
    writer.Write(expected.back() + "\n");
  }
  EXPECT_EQ(ReadTo(expected.back()), expected);
  EXPECT_TRUE(writer.Flush(absl::Seconds(10)));
  EXPECT_EQ(writer.dropped(), 0);
}

TEST_F(LineWriterTest, LinesOfThreadsDoNotMix) {
  LineWriter writer(writing_end(), {}, "test", Note);
  std::vector<std::thread> threads;
  for (const char letter : {'a', 'b', 'c', 'd'}) {
    threads.emplace_back([&writer, letter] {
      for (int i = 0; i < 200; ++i)
        writer.Write(std::string(99, letter) + "\n");
    });
  }
  std::thread end([&] {
    for (std::thread& thread : threads) thread.join();
    writer.Write("end\n");
  });
  std::vector<std::string> lines = ReadTo("end");
  end.join();
  ASSERT_EQ(lines.size(), 801u);
  lines.pop_back();
  for (const std::string& line : lines) {
    EXPECT_EQ(line, std::string(99, line[0]));
  }
}

TEST_F(LineWriterTest, AStalledReaderBlocksNobodyAndTheLossIsTold) {
  Fill();
  LineWriter writer(writing_end(), kSmall, "test", Note);
  // So long that each is written alone, and the thread takes one of the queue.
  const std::string line(4000, 'x');
  writer.Write("first\n");
  while (writer.dropped() == 0) writer.Write(line + "\n");
  for (int i = 0; i < 100; ++i) writer.Write("dropped\n");
  const int64_t dropped = writer.dropped();
  EXPECT_GE(dropped, 101);
  EXPECT_FALSE(writer.Flush(absl::Milliseconds(10)));
  const std::vector<std::string> lines = ReadTo(absl::StrCat("lost ", dropped));
  ASSERT_GE(lines.size(), 9u);
  ASSERT_LE(lines.size(), 10u);
  EXPECT_EQ(lines.front(), "first");
  EXPECT_EQ(lines[1], line);
  EXPECT_TRUE(writer.Flush(absl::Seconds(10)));
  writer.Write("after\n");
  EXPECT_TRUE(writer.Flush(absl::Seconds(10)));
  EXPECT_EQ(writer.dropped(), dropped);
}

TEST_F(LineWriterTest, TheQueueIsBoundedInBytesToo) {
  Fill();
  LineWriter writer(writing_end(), {.max_lines = 1000, .max_bytes = 10'000},
                    "test", Note);
  const std::string line = std::string(999, 'x') + "\n";
  for (int i = 0; i < 100; ++i) writer.Write(line);
  EXPECT_GE(writer.dropped(), 80);
  EXPECT_LE(writer.dropped(), 90);
  ReadTo(absl::StrCat("lost ", writer.dropped()));
}

TEST_F(LineWriterTest, ALineLargerThanTheQueueIsWrittenAlone) {
  LineWriter writer(writing_end(), {.max_lines = 8, .max_bytes = 10}, "test",
                    Note);
  writer.Write(std::string(5000, 'x') + "\n");
  EXPECT_THAT(ReadTo(std::string(5000, 'x')),
              ElementsAre(std::string(5000, 'x')));
}

TEST_F(LineWriterTest, WithoutAReaderLinesAreDroppedAndCounted) {
  CloseReader();
  LineWriter writer(writing_end(), kSmall, "test", Note);
  for (int i = 0; i < 100; ++i) {
    writer.Write("nobody\n");
    EXPECT_TRUE(writer.Flush(absl::Seconds(10)));
  }
  EXPECT_EQ(writer.dropped(), 100);
}

TEST_F(LineWriterTest, ANonBlockingPipeIsWaitedFor) {
  fcntl(writing_end(), F_SETFL, O_NONBLOCK);
  Fill();
  LineWriter writer(writing_end(), kSmall, "test", Note);
  writer.Write("late\n");
  EXPECT_FALSE(writer.Flush(absl::Milliseconds(10)));
  EXPECT_THAT(ReadTo("late"), ElementsAre("late"));
  EXPECT_TRUE(writer.Flush(absl::Seconds(10)));
  EXPECT_EQ(writer.dropped(), 0);
}

}  // namespace
}  // namespace cooper::base
