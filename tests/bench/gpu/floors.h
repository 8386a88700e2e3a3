#ifndef COOPER_TESTS_BENCH_GPU_FLOORS_H_
#define COOPER_TESTS_BENCH_GPU_FLOORS_H_

#include <cstdint>
#include <vector>

#include "tests/tools/random_checkpoint.h"

namespace cooper::bench {

// What the device was measured to do in this run.
struct Rates {
  double copy_bytes_per_second = 0.0;  // bytes read and bytes written
  double product_flop_per_second = 0.0;
};

// What a piece of work cannot avoid.
struct Work {
  double flop = 0.0;
  double bytes = 0.0;

  Work operator+(const Work& other) const {
    return {flop + other.flop, bytes + other.bytes};
  }
  Work operator*(double times) const { return {flop * times, bytes * times}; }
  // Where arithmetic hides memory traffic or the reverse: the slower of both.
  double OverlappedSeconds(const Rates& rates) const;
  // Where neither hides the other: the sum.
  double SerialSeconds(const Rates& rates) const;
};

// Rows of one segment and the keys that its rows see, on average.
struct AttendedRows {
  double rows = 0.0;
  double keys = 0.0;
};

// The least work of each kind of step, by formulas over the configuration, so
// that it holds for any shape and number of layers.
class Floors {
 public:
  // `element_bytes`: of weights, activations and the KV cache.
  Floors(const checkpoint::RandomShape& shape, int element_bytes);

  // Parameters of all layers of one expert that a token is multiplied with.
  double layer_parameters() const { return layer_parameters_; }
  double kv_bytes_per_token() const { return kv_bytes_per_token_; }

  // `rows` x `in` by `in` x `out`.
  Work Product(double rows, double in, double out) const;
  // Attention of one layer; every key and value is read once for each item.
  Work Attention(const std::vector<AttendedRows>& items) const;

  // The next token of `batch` contexts of `context` tokens.
  Work Decode(int batch, double context) const;
  // Prefill of segments without the encoders.
  Work Prefill(const std::vector<AttendedRows>& segments) const;
  // A denoising step of `latents` latents for branches over `contexts` tokens.
  Work DenoiseStep(double latents, const std::vector<double>& contexts) const;
  Work VisionEncode(double patches) const;
  // Images of `side` x `side` px. Traffic counts each convolution's input and
  // output once and each norm's input twice and output once.
  Work VaeEncode(int side) const;
  Work VaeDecode(int side) const;

 private:
  Work Convolution(double side, double in, double out, int kernel,
                   int stride = 1) const;
  Work Norm(double side, double channels) const;
  Work ResBlock(double side, double in, double out) const;
  Work Middle(double side, double channels) const;

  const checkpoint::RandomShape shape_;
  const double element_bytes_;
  double query_width_ = 0.0;
  double layer_parameters_ = 0.0;
  double kv_bytes_per_token_ = 0.0;
};

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_GPU_FLOORS_H_
