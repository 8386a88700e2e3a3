#ifndef COOPER_TESTS_TESTING_NETWORK_RECORDER_H_
#define COOPER_TESTS_TESTING_NETWORK_RECORDER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/torch/recorder.h"
#include "model/torch/torch_model.h"

namespace cooper::torch_model {

// Keeps what the last pass took in and gave, and the stages of the vision
// encoder.
class NetworkRecorder final : public Recorder {
 public:
  // A segment of the pass, in the order of its tokens.
  struct Tokens {
    at::Tensor input;                // [n, hidden]
    std::vector<int64_t> positions;  // [n]
    at::Tensor output;               // [n, hidden], after the final norm
  };

  void OnPassInput(const PassLayout& layout, const Rows& embeddings) override;
  void OnPassOutput(const Rows& hidden) override;
  void OnVisionStage(absl::string_view stage, const at::Tensor& rows) override;

  const std::vector<Tokens>& segments() const { return segments_; }
  // Of the understanding rows.
  const at::Tensor& und_output() const { return und_output_; }
  // Of a stage that ran several times: each time. Throws std::out_of_range.
  const std::vector<at::Tensor>& stage(const std::string& name) const {
    return stages_.at(name);
  }

 private:
  std::vector<Segment> layout_;
  std::vector<Tokens> segments_;
  at::Tensor und_output_;
  std::map<std::string, std::vector<at::Tensor>> stages_;
};

// Has a model's network recorded as long as it lives.
class ScopedRecorder {
 public:
  ScopedRecorder(TorchModel* model, Recorder* recorder) : model_(model) {
    model->set_recorder(recorder);
  }
  ~ScopedRecorder() { model_->set_recorder(nullptr); }
  ScopedRecorder(const ScopedRecorder&) = delete;
  ScopedRecorder& operator=(const ScopedRecorder&) = delete;

 private:
  TorchModel* const model_;
};

// Decodes `tokens`, one for each context: logits [n, vocab] float32.
absl::StatusOr<at::Tensor> DecodeLogits(
    TorchModel& model, const std::vector<model::Context*>& contexts,
    const std::vector<model::TokenId>& tokens);

}  // namespace cooper::torch_model

#endif  // COOPER_TESTS_TESTING_NETWORK_RECORDER_H_
