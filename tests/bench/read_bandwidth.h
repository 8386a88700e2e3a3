#ifndef COOPER_TESTS_BENCH_READ_BANDWIDTH_H_
#define COOPER_TESTS_BENCH_READ_BANDWIDTH_H_

#include <cstdint>
#include <memory>

namespace cooper::bench {

// Reads memory as fast as ATen's threads can, in huge pages and asking ahead:
// the ceiling of everything that streams weights.
class ReadBandwidth {
 public:
  // A buffer of `bytes`, larger than the caches.
  explicit ReadBandwidth(int64_t bytes);
  void Read();  // once through
  int64_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* memory) const;
  };
  int64_t bytes_;
  std::unique_ptr<uint64_t, Free> words_;
  uint64_t sink_ = 0;
};

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_READ_BANDWIDTH_H_
