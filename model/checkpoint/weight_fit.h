#ifndef COOPER_MODEL_CHECKPOINT_WEIGHT_FIT_H_
#define COOPER_MODEL_CHECKPOINT_WEIGHT_FIT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/checkpoint/config.h"
#include "model/checkpoint/tensor_set.h"
#include "model/unified_model.h"

namespace cooper::checkpoint {

// The tensors of one file that are not read, since the network does not use
// them: the vision encoder's dropped last layers and the like.
struct UnusedTensors {
  std::string path;
  std::vector<std::string> names;
};

// What is read of the weight files.
struct WeightReport {
  std::vector<model::WeightFile> files;  // those that give tensors
  int64_t bytes = 0;  // of all tensors, the computed ones too
  std::vector<UnusedTensors> unused;
  // What was chosen or computed and why, for the log; one line each.
  std::vector<std::string> notes;

  // The notes, and a line on each file's unused tensors.
  std::vector<std::string> Notes() const;
};

// Compares the names, shapes and dtypes of weight files with what the
// configuration asks for, before anything of that size is allocated. Fixed
// position tables that are absent or of another grid are added to `network` as
// computed, and so is a patch embedding in the form of a convolution.
//
// DATA_LOSS, naming the file, in one line: other numbers of layers than the
// configuration's; names with a prefix (of a wrapper, or of another program);
// names that belong to nothing known; tensors that are missing, of another
// shape or not of floats (the first five); a fine-tune that gives no tensor.
absl::Status FitNetwork(const LlmConfig& llm, const VitConfig& vit,
                        const CooperConfig& cooper, TensorSet* network,
                        WeightReport* report);
absl::Status FitAutoencoder(const CooperConfig& cooper,
                            const TensorSet& autoencoder, WeightReport* report);

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_WEIGHT_FIT_H_
