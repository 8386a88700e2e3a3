#include "model/cuda/long_attention.h"

namespace cooper::cuda {

std::unique_ptr<LongAttention> MakeCudnnAttention(std::string* error) {
  *error = "this build has no cuDNN frontend";
  return nullptr;
}

}  // namespace cooper::cuda
