// Loading a checkpoint from files beside reading them and moving them to the
// device.

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/gpu/accelerator.h"
#include "tests/bench/gpu/bench.h"
#include "tests/bench/require.h"
#include "tests/bench/timing.h"

namespace cooper::bench {
namespace {

constexpr int kLayers = 4;  // of the 7B shape: 6 GB
constexpr size_t kBlock = size_t{64} << 20;

// Bytes of all weight files.
double FileBytes(const std::string& directory) {
  double bytes = 0.0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    bytes += static_cast<double>(entry.file_size());
  }
  return bytes;
}

// Bytes a second of reading the files from first to last, as their state in
// the system's cache lets it.
double ReadRate(const std::string& directory) {
  std::vector<char> block(kBlock);
  const double seconds = Seconds([&] {
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      const int file = open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
      while (file >= 0 && read(file, block.data(), block.size()) > 0) {
      }
      if (file >= 0) close(file);
    }
  });
  return FileBytes(directory) / seconds;
}

double LinkRate(const Bench& bench) {
  const int64_t bytes = int64_t{1} << (bench.device().is_cpu() ? 26 : 30);
  const at::Tensor from = PinnedBytes(bench.device(), bytes);
  const at::Tensor to = at::empty(
      {bytes}, at::TensorOptions(at::kByte).device(bench.device().device));
  from.fill_(1);
  return static_cast<double>(bytes) / bench.MedianSeconds(1, 5, [&] {
    to.copy_(from, /*non_blocking=*/true);
  });
}

// The highest number of resident bytes of this process so far.
double PeakResidentBytes() {
  std::ifstream file("/proc/self/status");
  std::string key;
  double kib = 0.0;
  while (file >> key) {
    if (key == "VmHWM:" && file >> kib) return kib * 1024.0;
    std::getline(file, key);
  }
  return 0.0;
}

}  // namespace

void MeasureLoad(Bench& bench) {
  constexpr double kGoal = 1.3;
  const int layers = std::min(kLayers, bench.layers());
  const auto shape = checkpoint::ShapeByName(bench.options().shape, layers);
  Require(shape.status());
  const std::string directory = absl::StrCat(bench.options().scratch, "/files");
  bench.DropModel();
  Require(checkpoint::WriteRandomCheckpoint(*shape, /*seed=*/1, directory));

  const double bytes = FileBytes(directory);
  const double read = ReadRate(directory);
  const double link = LinkRate(bench);
  const std::string conditions =
      absl::StrCat("a checkpoint of ", layers, " layers, ",
                   static_cast<int>(bytes / (1 << 20)), " MiB, just written");
  bench.AddValue("load: reading the files", conditions, read / 1e9, "GB/s");
  bench.AddValue("load: copy to the device, from pinned memory", conditions,
                 link / 1e9, "GB/s");
  const double resident = PeakResidentBytes();
  std::unique_ptr<torch_model::TorchModel> model;
  const double seconds = Seconds([&] {
    auto loaded = torch_model::TorchModel::Load(bench.FilesOf(directory));
    Require(loaded.status());
    model = *std::move(loaded);
  });
  bench.AddTime("load: whole, without warm-up", conditions, seconds,
                bytes / std::min(read, link), kGoal);
  bench.AddValue("load: rate", conditions, bytes / seconds / 1e9, "GB/s");
  bench.AddValue("load: growth of the host's highest memory", conditions,
                 (PeakResidentBytes() - resident) / kGiB, "GiB");
  model.reset();
  std::filesystem::remove_all(directory);
}

}  // namespace cooper::bench
