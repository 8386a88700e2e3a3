#ifndef COOPER_MODEL_TORCH_TORCH_WARNINGS_H_
#define COOPER_MODEL_TORCH_TORCH_WARNINGS_H_

namespace cooper::torch_model {

// Sends what libtorch warns of on the calling thread to the log, where it would
// write to standard error itself.
void LogTorchWarnings();

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_TORCH_WARNINGS_H_
