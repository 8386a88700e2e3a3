// Compares the network with golden numbers of the reference: one line a case,
// then the largest error of each tolerance. Exit code: 0 passed, 1 a case
// failed, 2 wrong usage or files, 4 no usable GPU or too little of its memory.

#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "model/device_status.h"
#include "model/torch/guard.h"
#include "model/torch/process.h"
#include "tests/cuda/emulated_launcher.h"
#include "tests/golden/checks.h"

ABSL_FLAG(std::string, checkpoint, "",
          "checkpoint directory, or two with a comma between");
ABSL_FLAG(std::string, goldens, "",
          "directory of index.json, or one whose folder `cases` holds it");
ABSL_FLAG(std::string, only, "", "run only cases whose kind/name holds this");
ABSL_FLAG(std::string, device, "cpu", "auto, cpu, cuda or cuda:N");
ABSL_FLAG(std::string, dtype, "float32",
          "float32 or bfloat16: each has its own "
          "tolerances");
ABSL_FLAG(std::string, kernels, "auto",
          "auto, generic (libtorch's operators alone) or emulated (our kernels "
          "for a GPU on an emulator, with --device=cpu)");
ABSL_FLAG(int, threads, 0, "threads of one operator; 0: the usable cores");

namespace cooper::golden {
namespace {

using CheckFunction = void (*)(const GoldenData&, const Json&,
                               torch_model::TorchModel&, Comparison*);

constexpr size_t kShownFailures = 5;

const std::map<std::string, CheckFunction>& Checks() {
  static const auto* const kChecks =
      new std::map<std::string, CheckFunction>{{"tokenizer", CheckTokenizer},
                                               {"sizes", CheckSizes},
                                               {"images", CheckImages},
                                               {"vit", CheckVit},
                                               {"vae", CheckVae},
                                               {"context", CheckContext},
                                               {"text", CheckText},
                                               {"flow", CheckFlow},
                                               {"maps", CheckMaps},
                                               {"loops", CheckLoops}};
  return *kChecks;
}

Comparison RunCase(const GoldenData& goldens, const Json& golden,
                   torch_model::TorchModel& model) {
  Comparison comparison(model.device().dtype == at::kFloat
                            ? Float32Tolerances()
                            : BFloat16Tolerances());
  const auto check = Checks().find(golden.at("kind").get<std::string>());
  if (check == Checks().end()) {
    comparison.Fail("kind", "this program does not know it");
    return comparison;
  }
  const absl::Status status = torch_model::Guarded([&] {
    check->second(goldens, golden, model, &comparison);
    return absl::OkStatus();
  });
  if (!status.ok()) comparison.Fail("error", status.message());
  if (comparison.comparisons() == 0) comparison.Fail("case", "is empty");
  return comparison;
}

void Print(const std::string& name, const Comparison& result) {
  std::printf("%s %-34s %5d comparisons", result.ok() ? "ok  " : "FAIL",
              name.c_str(), result.comparisons());
  const Measured& worst = result.worst();
  if (worst.what.empty()) {
    std::printf("  exact\n");
  } else {
    std::printf("  largest error %.2e of %.1e allowed (%s)\n", worst.error,
                worst.limit, worst.what.c_str());
  }
  for (size_t i = 0; i < result.failures().size(); ++i) {
    if (i == kShownFailures) {
      std::printf("       and %zu more\n", result.failures().size() - i);
      break;
    }
    std::printf("       %s\n", result.failures()[i].c_str());
  }
  std::fflush(stdout);
}

// The largest error of each limit over all cases.
void PrintLimits(const std::map<std::string, Measured>& limits) {
  for (const auto& [name, worst] : limits) {
    std::printf("%-26s %.2e of %.1e allowed (%s)\n", name.c_str(), worst.error,
                worst.limit, worst.what.c_str());
  }
}

int Main() {
  torch_model::LoadOptions options;
  options.checkpoint_dirs =
      absl::StrSplit(absl::GetFlag(FLAGS_checkpoint), ',', absl::SkipEmpty());
  options.device = absl::GetFlag(FLAGS_device);
  options.dtype = absl::GetFlag(FLAGS_dtype);
  options.kernels = absl::GetFlag(FLAGS_kernels);
  if (options.kernels == "emulated") {
    options.kernels = "auto";
    options.launcher = &cuda::EmulatedLauncher();
  }
  options.threads = absl::GetFlag(FLAGS_threads);
  options.kv_cache_mib = 0;
  const auto goldens = GoldenData::Open(absl::GetFlag(FLAGS_goldens));
  if (!goldens.ok()) {
    std::fprintf(stderr, "golden_check: %s\n",
                 goldens.status().ToString().c_str());
    return 2;
  }
  const auto model = torch_model::TorchModel::Load(options);
  if (!model.ok()) {
    std::fprintf(stderr, "golden_check: %s\n",
                 std::string(model.status().message()).c_str());
    return model::IsDeviceUnusable(model.status()) ? 4 : 2;
  }
  const absl::Time start = absl::Now();
  int passed = 0;
  int failed = 0;
  std::map<std::string, Measured> limits;
  for (const Json& golden : (*goldens)->index().at("cases")) {
    const std::string name =
        absl::StrCat(golden.at("kind").get<std::string>(), "/",
                     golden.at("name").get<std::string>());
    if (name.find(absl::GetFlag(FLAGS_only)) == std::string::npos) continue;
    const Comparison result = RunCase(**goldens, golden, **model);
    Print(name, result);
    for (const auto& [limit, measured] : result.by_limit()) {
      Measured& worst = limits[limit];
      if (worst.what.empty() || measured.share() > worst.share()) {
        worst = measured;
        worst.what = absl::StrCat(name, " ", measured.what);
      }
    }
    (result.ok() ? passed : failed) += 1;
  }
  PrintLimits(limits);
  std::printf("golden_check: %d passed, %d failed in %.1f s (%s, %s)\n", passed,
              failed, absl::ToDoubleSeconds(absl::Now() - start),
              (*model)->info().device.c_str(), (*model)->info().dtype.c_str());
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace
}  // namespace cooper::golden

int main(int argc, char** argv) {
  cooper::torch_model::PrepareProcess(argv);
  absl::SetProgramUsageMessage(
      "golden_check --checkpoint DIR --goldens DIR [--only TEXT]\n"
      "Compares the network with golden numbers of the reference.");
  absl::ParseCommandLine(argc, argv);
  if (absl::GetFlag(FLAGS_checkpoint).empty() ||
      absl::GetFlag(FLAGS_goldens).empty()) {
    std::fprintf(stderr,
                 "golden_check: --checkpoint and --goldens are needed\n");
    return 2;
  }
  try {
    return cooper::golden::Main();
  } catch (const std::exception& e) {  // an index of another form
    std::fprintf(stderr, "golden_check: %s\n", e.what());
    return 2;
  }
}
