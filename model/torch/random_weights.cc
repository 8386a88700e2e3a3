#include <ATen/Context.h>
#include <ATen/core/Generator.h>
#include <ATen/ops/empty.h>

#include <cmath>

#include "absl/strings/match.h"
#include "model/torch/weights.h"

namespace cooper::torch_model {
namespace {

constexpr double kNormDeviation = 0.1;
constexpr double kBiasDeviation = 0.02;

// FNV-1a: the same in every process, unlike absl::Hash.
uint64_t SeedOf(const std::string& name, uint64_t seed) {
  uint64_t hash = 0xCBF29CE484222325 ^ seed;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  }
  return hash;
}

class RandomWeights final : public WeightReader {
 public:
  RandomWeights(Part part, const Device& device, uint64_t seed)
      : WeightReader(device),
        stored_type_(part == Part::kNetwork ? at::kBFloat16 : at::kFloat),
        seed_(seed) {
    // The meta device has no values and no generator.
    if (!device.device.is_meta()) {
      generator_ = at::globalContext().defaultGenerator(device.device).clone();
    }
  }

  absl::Status status() override { return Synchronize(device()); }

 private:
  std::optional<at::ScalarType> StoredType(const std::string& /*name*/,
                                           at::IntArrayRef /*shape*/) override {
    return stored_type_;
  }

  void Fill(const std::string& name, const at::Tensor& destination) override {
    if (!generator_.defined()) return;
    generator_.set_current_seed(SeedOf(name, seed_));
    const bool same = destination.scalar_type() == stored_type_;
    const at::Tensor values =
        same ? destination
             : at::empty(destination.sizes(),
                         destination.options().dtype(stored_type_));
    if (values.dim() > 1) {
      const double inputs = static_cast<double>(values.numel()) /
                            static_cast<double>(values.size(0));
      values.normal_(0.0, 1.0 / std::sqrt(inputs), generator_);
    } else if (absl::EndsWith(name, ".bias")) {
      values.normal_(0.0, kBiasDeviation, generator_);
    } else {
      values.normal_(1.0, kNormDeviation, generator_);
    }
    if (!same) destination.copy_(values);
  }

  const at::ScalarType stored_type_;
  const uint64_t seed_;
  at::Generator generator_;
};

}  // namespace

std::unique_ptr<WeightReader> MakeRandomWeights(WeightReader::Part part,
                                                const Device& device,
                                                uint64_t seed) {
  return std::make_unique<RandomWeights>(part, device, seed);
}

}  // namespace cooper::torch_model
