#ifndef COOPER_TESTS_BENCH_GPU_BENCH_H_
#define COOPER_TESTS_BENCH_GPU_BENCH_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/torch/torch_model.h"
#include "tests/bench/gpu/activity.h"
#include "tests/bench/gpu/floors.h"
#include "tests/bench/gpu/report.h"
#include "tests/tools/random_checkpoint.h"

namespace cooper::bench {

struct BenchOptions {
  std::string device = "cuda:0";
  std::string dtype = "auto";
  std::string shape = "7b";
  std::string kernels = "auto";
  int layers = 0;       // 0: the shape's own
  std::string scratch;  // folder for checkpoints; must exist
};

// Sizes of what is measured: those of the 7B model's use, or small ones for
// shapes whose images and position tables are small.
struct Sizes {
  int64_t copy_bytes = 0;  // read, and as many written
  int64_t square = 0;      // side of the square product
  int context = 0;         // tokens of decoded contexts
  int text = 0;            // tokens of a request's text
  int map_side = 0;        // px; the half of it is measured too
  int vit_side = 0;        // px
  int rounds = 0;          // of a decoded token; others take fewer
  int growth_tokens = 0;   // decoded to see whether memory grows
};

// Logits that the public checkpoint chooses among.
inline constexpr int64_t kVocabulary = 151665;
inline constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

// What the parts of one run share. Not thread-safe.
class Bench {
 public:
  // FAILED_PRECONDITION: there is no such device.
  static absl::StatusOr<std::unique_ptr<Bench>> Create(
      const BenchOptions& options, Report* report);

  const BenchOptions& options() const { return options_; }
  const checkpoint::RandomShape& shape() const { return shape_; }
  const torch_model::Device& device() const { return device_; }
  const Sizes& sizes() const { return sizes_; }
  const Floors& floors() const { return floors_; }
  Report& report() { return *report_; }

  // Of this run; set by MeasureRates or from a run before.
  const Rates& rates() const { return rates_; }
  void set_rates(const Rates& rates) { rates_ = rates; }

  // The model, loaded and warmed up at the first call.
  torch_model::TorchModel& model();
  // Frees the model and what the device keeps for it.
  void DropModel();
  // For a server, which owns its model. The next call of model() loads anew.
  std::unique_ptr<torch_model::TorchModel> TakeModel();
  // THE place where benchmarks get their weights from: random ones.
  absl::StatusOr<torch_model::LoadOptions> RandomWeights() const;
  // The options for the checkpoint in `directory` on this run's device.
  torch_model::LoadOptions FilesOf(const std::string& directory) const;

  int64_t latents(int side) const;  // tokens of an image of `side` px
  int64_t patches(int side) const;
  int layers() const { return shape_.llm.num_hidden_layers; }
  // "28 layers", and what goes before it.
  std::string Conditions(const std::string& what = "") const;

  // Seconds of each of `rounds` calls on the device, after `warm` others.
  std::vector<double> Times(int warm, int rounds,
                            const std::function<void()>& work) const;
  double MedianSeconds(int warm, int rounds,
                       const std::function<void()>& work) const;
  // A row without a floor; `goal` is an upper limit.
  void AddValue(const std::string& name, const std::string& conditions,
                double value, const std::string& unit,
                std::optional<double> goal = std::nullopt);
  // A row of `seconds` in ms beside its floor; `goal` is of the ratio.
  void AddTime(const std::string& name, const std::string& conditions,
               double seconds, double floor_seconds,
               std::optional<double> goal = std::nullopt);

 private:
  Bench(const BenchOptions& options, const checkpoint::RandomShape& shape,
        const torch_model::Device& device, Report* report);

  const BenchOptions options_;
  const checkpoint::RandomShape shape_;
  const torch_model::Device device_;
  const Sizes sizes_;
  const Floors floors_;
  Report* const report_;
  Rates rates_;
  std::unique_ptr<torch_model::TorchModel> model_;
};

// Rows of what one of `steps` equal steps launched and waited for, and of the
// GPU's idle share in them; a step that nothing observed takes `step_seconds`.
void AddActivity(Bench& bench, const std::string& what,
                 const std::string& conditions, const Activity& activity,
                 int steps, double step_seconds,
                 std::optional<double> idle_goal = std::nullopt);

// The parts, in the order of their worth where time is short. Each adds its
// rows to the report; a failure ends the program with one line on stderr.
void MeasureRates(Bench& bench);
void MeasureDecode(Bench& bench);
void MeasureVae(Bench& bench);
void MeasureFlow(Bench& bench);
void MeasurePrefill(Bench& bench);
void MeasureMemory(Bench& bench);
void MeasureProducts(Bench& bench);
void MeasureAttention(Bench& bench);
void MeasureDeterministic(Bench& bench);
void MeasureServer(Bench& bench);
void MeasureOutOfMemory(Bench& bench);
void MeasureLoad(Bench& bench);

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_GPU_BENCH_H_
