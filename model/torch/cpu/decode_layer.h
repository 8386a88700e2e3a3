#ifndef COOPER_MODEL_TORCH_CPU_DECODE_LAYER_H_
#define COOPER_MODEL_TORCH_CPU_DECODE_LAYER_H_

#include <vector>

#include "model/torch/kernels.h"

namespace cooper::torch_model {

// A transformer layer for a few rows that are each the next token of a context,
// float32 on a CPU. The time of such a layer is that of reading its weights,
// if nothing else takes any: one team of threads goes through all of it, and
// meets five times instead of starting anew for each of a dozen operators.
//
// Every result is the same, to the bit, for any number of threads and rows.
class DecodeLayerRunner {
 public:
  // Whether `expert` and the number of rows suit; else the layer is to be
  // composed of other parts.
  static bool Suits(const Expert& expert, int64_t rows);

  // See Kernels::DecodeLayer.
  void Run(int layer, const HeadShape& shape, const Expert& expert,
           const std::vector<Segment>& segments, const at::Tensor& cos,
           const at::Tensor& sin, double eps, at::Tensor& x, at::Tensor& delta);

 private:
  std::vector<float> workspace_;
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_CPU_DECODE_LAYER_H_
