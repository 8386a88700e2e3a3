#ifndef COOPER_TESTS_GOLDEN_CHECKS_H_
#define COOPER_TESTS_GOLDEN_CHECKS_H_

#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "model/noise.h"
#include "model/torch/torch_model.h"
#include "tests/golden/comparison.h"
#include "tests/golden/golden_data.h"
#include "tests/testing/network_recorder.h"

// One function for each kind of golden case. They throw std::exception where
// the goldens lack something, and otherwise put what they find into `out`.

namespace cooper::golden {

using Json = nlohmann::json;

void CheckTokenizer(const GoldenData& goldens, const Json& golden,
                    torch_model::TorchModel& model, Comparison* out);
void CheckSizes(const GoldenData& goldens, const Json& golden,
                torch_model::TorchModel& model, Comparison* out);
void CheckImages(const GoldenData& goldens, const Json& golden,
                 torch_model::TorchModel& model, Comparison* out);
void CheckVit(const GoldenData& goldens, const Json& golden,
              torch_model::TorchModel& model, Comparison* out);
void CheckVae(const GoldenData& goldens, const Json& golden,
              torch_model::TorchModel& model, Comparison* out);
void CheckContext(const GoldenData& goldens, const Json& golden,
                  torch_model::TorchModel& model, Comparison* out);
void CheckText(const GoldenData& goldens, const Json& golden,
               torch_model::TorchModel& model, Comparison* out);
void CheckFlow(const GoldenData& goldens, const Json& golden,
               torch_model::TorchModel& model, Comparison* out);
void CheckMaps(const GoldenData& goldens, const Json& golden,
               torch_model::TorchModel& model, Comparison* out);
void CheckLoops(const GoldenData& goldens, const Json& golden,
                torch_model::TorchModel& model, Comparison* out);

// Gives recorded draws, in order; throws std::runtime_error where a draw has
// another size or none is left.
class RecordedNoise final : public model::NoiseSource {
 public:
  void Add(const at::Tensor& values) { draws_.push_back(values); }
  void FillNormal(absl::Span<float> out) override;
  double Uniform() override;
  size_t left() const { return draws_.size(); }

 private:
  std::deque<at::Tensor> draws_;
};

// Appends one segment and throws where that fails. Returns what its pass took
// in and gave.
torch_model::NetworkRecorder::Tokens PrefillOne(torch_model::TorchModel& model,
                                                model::Context* context,
                                                const model::Segment& segment);
// bos, the text's ids, eos.
model::TextSegment TextOf(const torch_model::TorchModel& model,
                          const std::string& text);

// The three contexts of the case `context/base` (or of a map case that is
// built like it), and cond as it was before the request.
struct BaseContexts {
  std::unique_ptr<model::Context> cond, no_text, no_image, before_request;
};
// `image` (after the VAE rule) and `noise` may differ from the base case's.
// With `out`, every segment is compared with the golden one.
BaseContexts BuildBase(const GoldenData& goldens,
                       torch_model::TorchModel& model, const Json& base,
                       const image::RgbImage& image, const at::Tensor& noise,
                       Comparison* out);

// Keys (or values) of a layer, [tokens, kv heads, head size].
at::Tensor KeysOf(const model::Context& context, int layer);
at::Tensor ValuesOf(const model::Context& context, int layer);
// 2-norm over heads and size per token, [layers, tokens].
at::Tensor KeyNorms(const model::Context& context);
at::Tensor ValueNorms(const model::Context& context);

// Throws std::runtime_error with the status' text unless it is OK.
void Require(const absl::Status& status);

}  // namespace cooper::golden

#endif  // COOPER_TESTS_GOLDEN_CHECKS_H_
