#ifndef COOPER_TESTS_BENCH_MATRIX_PRODUCTS_H_
#define COOPER_TESTS_BENCH_MATRIX_PRODUCTS_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "model/checkpoint/config.h"

namespace cooper::bench {

// The matrix products of one pass of the language model and nothing else, each
// by the kernel of libtorch that is fastest for its shape on this machine:
// the floor that a denoising step is compared with.
class MatrixProducts {
 public:
  // `und_rows` and `gen_rows` rows go through the linear layers of their kind.
  // Attention: each of `branches` sees `context` tokens and its own rows.
  MatrixProducts(const checkpoint::LlmConfig& llm, int64_t und_rows,
                 int64_t gen_rows, int branches, int64_t context);
  void Run() const;
  double flop() const { return flop_; }
  // Which kernel was chosen how often.
  std::string Choices() const;

 private:
  struct Product {
    std::string kernel;
    std::function<void()> run;
    double flop;
  };
  Product FastestLinear(int64_t rows, int64_t out, int64_t in);

  std::vector<Product> products_;  // of one layer
  int layers_;
  double flop_ = 0.0;
};

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_MATRIX_PRODUCTS_H_
