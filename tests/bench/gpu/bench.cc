#include "tests/bench/gpu/bench.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "tests/bench/gpu/accelerator.h"
#include "tests/bench/require.h"
#include "tests/bench/timing.h"

namespace cooper::bench {
namespace {

Sizes SizesOf(const checkpoint::RandomShape& shape, bool cpu) {
  const int map_side = shape.cooper.vae_rule.max_size;
  const int vit_side = shape.cooper.vit_rule.max_size;
  if (cpu) {
    return {int64_t{64} << 20, 512, 192, 32, map_side, vit_side, 8, 64};
  }
  return {int64_t{8} << 30, 8192, 6000, 300, map_side, vit_side, 32, 2000};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Bench>> Bench::Create(
    const BenchOptions& options, Report* report) {
  COOPER_ASSIGN_OR_RETURN(
      checkpoint::RandomShape shape,
      checkpoint::ShapeByName(options.shape, options.layers));
  shape.cooper.text_vocab_size = std::min(kVocabulary, shape.llm.vocab_size);
  COOPER_ASSIGN_OR_RETURN(
      const torch_model::Device device,
      torch_model::SelectDevice(options.device, options.dtype));
  return std::unique_ptr<Bench>(new Bench(options, shape, device, report));
}

Bench::Bench(const BenchOptions& options, const checkpoint::RandomShape& shape,
             const torch_model::Device& device, Report* report)
    : options_(options),
      shape_(shape),
      device_(device),
      sizes_(SizesOf(shape, device.is_cpu())),
      floors_(shape, static_cast<int>(c10::elementSize(device.dtype))),
      report_(report) {}

absl::StatusOr<torch_model::LoadOptions> Bench::RandomWeights() const {
  const std::string directory = absl::StrCat(options_.scratch, "/random");
  COOPER_RETURN_IF_ERROR(checkpoint::WriteCheckpointFrame(shape_, directory));
  torch_model::LoadOptions load = FilesOf(directory);
  load.random_weights = true;
  return load;
}

torch_model::LoadOptions Bench::FilesOf(const std::string& directory) const {
  torch_model::LoadOptions load;
  load.checkpoint_dirs = {directory};
  load.device = device_.name();
  load.dtype = device_.dtype_name();
  load.kernels = options_.kernels;
  return load;
}

torch_model::TorchModel& Bench::model() {
  if (model_ == nullptr) {
    const auto options = RandomWeights();
    Require(options.status());
    auto loaded = torch_model::TorchModel::Load(*options);
    Require(loaded.status());
    model_ = *std::move(loaded);
    Require(model_->WarmUp());
  }
  return *model_;
}

void Bench::DropModel() {
  model_.reset();
  EmptyCache(device_);
}

std::unique_ptr<torch_model::TorchModel> Bench::TakeModel() {
  model();
  return std::move(model_);
}

int64_t Bench::latents(int side) const {
  const int stride =
      shape_.cooper.ae_downsample * shape_.cooper.latent_patch_size;
  return int64_t{side / stride} * (side / stride);
}

int64_t Bench::patches(int side) const {
  return int64_t{side / shape_.vit.patch_size} * (side / shape_.vit.patch_size);
}

std::string Bench::Conditions(const std::string& what) const {
  return absl::StrCat(what, what.empty() ? "" : "; ", layers(), " layers");
}

std::vector<double> Bench::Times(int warm, int rounds,
                                 const std::function<void()>& work) const {
  for (int i = 0; i < warm; ++i) work();
  std::vector<double> seconds(rounds);
  for (double& one : seconds) one = DeviceSeconds(device_, work);
  return seconds;
}

double Bench::MedianSeconds(int warm, int rounds,
                            const std::function<void()>& work) const {
  return Median(Times(warm, rounds, work));
}

void Bench::AddValue(const std::string& name, const std::string& conditions,
                     double value, const std::string& unit,
                     std::optional<double> goal) {
  Measured row;
  row.name = name;
  row.conditions = conditions;
  row.value = value;
  row.unit = unit;
  row.goal = goal;
  report_->Add(row);
}

void Bench::AddTime(const std::string& name, const std::string& conditions,
                    double seconds, double floor_seconds,
                    std::optional<double> goal) {
  Measured row;
  row.name = name;
  row.conditions = conditions;
  row.value = seconds * 1e3;
  row.unit = "ms";
  row.floor = floor_seconds * 1e3;
  row.goal = goal;
  report_->Add(row);
}

void AddActivity(Bench& bench, const std::string& what,
                 const std::string& conditions, const Activity& activity,
                 int steps, double step_seconds,
                 std::optional<double> idle_goal) {
  const auto add = [&](const char* name, int64_t count) {
    bench.AddValue(absl::StrCat(what, ": ", name, " of a step"), conditions,
                   static_cast<double>(count) / steps, "");
  };
  add("ATen operators", activity.operators);
  if (!activity.saw_device()) {
    bench.report().Skip(
        absl::StrCat(what, ": kernels, waits and idle share of a step"),
        "the profiler saw no work on a GPU");
    return;
  }
  add("kernels", activity.kernels);
  add("copies and fills", activity.copies);
  add("calls that wait for the GPU", activity.host_waits);
  bench.AddValue(
      absl::StrCat(what, ": idle share of the GPU"),
      absl::StrCat(
          conditions,
          "; time in kernels (profiled) against a step (not profiled)"),
      100.0 * (1.0 - activity.busy_seconds / steps / step_seconds), "%",
      idle_goal);
  for (const KernelTime& time : activity.kernel_times) {
    bench.report().Kernel(what, time.name,
                          static_cast<double>(time.launches) / steps,
                          time.seconds / steps * 1e6);
  }
}

}  // namespace cooper::bench
