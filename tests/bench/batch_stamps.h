#ifndef COOPER_TESTS_BENCH_WAVE_STAMPS_H_
#define COOPER_TESTS_BENCH_WAVE_STAMPS_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace cooper::bench {

// When the last batches of tokens were made. A batch is known by the letter
// that it writes into every text, so that whoever reads the text can tell how
// old it is; letters come again after 52 batches. One thread marks, any may
// ask.
class BatchStamps {
 public:
  static constexpr int kLetters = 52;
  static char Letter(int index) {
    return static_cast<char>(index < 26 ? 'A' + index : 'a' + index - 26);
  }

  // A batch was made now; returns the index of its letter.
  int Mark() {
    const int index = static_cast<int>(batches_++ % kLetters);
    made_ns_[index].store(NowNs(), std::memory_order_release);
    return index;
  }
  double MicrosecondsSince(char letter) const {
    const int index = letter < 'a' ? letter - 'A' : letter - 'a' + 26;
    return static_cast<double>(
               NowNs() - made_ns_[index].load(std::memory_order_acquire)) /
           1e3;
  }

 private:
  static int64_t NowNs() {
    return std::chrono::steady_clock::now().time_since_epoch() /
           std::chrono::nanoseconds(1);
  }
  int64_t batches_ = 0;
  std::array<std::atomic<int64_t>, kLetters> made_ns_ = {};
};

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_WAVE_STAMPS_H_
