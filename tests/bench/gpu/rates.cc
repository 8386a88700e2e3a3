// What the device can do: the ceilings of all other rows.

#include <ATen/ops/empty_like.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>

#include "absl/strings/str_cat.h"
#include "tests/bench/gpu/bench.h"

namespace cooper::bench {
namespace {

constexpr int kWarm = 3;
constexpr int kRounds = 10;

double CopyRate(const Bench& bench) {
  const int64_t bytes = bench.sizes().copy_bytes / 2;
  const at::Tensor from = at::randn(
      {bytes / static_cast<int64_t>(c10::elementSize(bench.device().dtype))},
      at::TensorOptions(bench.device().device).dtype(bench.device().dtype));
  at::Tensor to = at::empty_like(from);
  const double seconds =
      bench.MedianSeconds(kWarm, kRounds, [&] { to.copy_(from); });
  return 2.0 * static_cast<double>(from.nbytes()) / seconds;
}

double ProductRate(const Bench& bench) {
  const int64_t side = bench.sizes().square;
  const auto options =
      at::TensorOptions(bench.device().device).dtype(bench.device().dtype);
  const at::Tensor a = at::randn({side, side}, options);
  const at::Tensor b = at::randn({side, side}, options);
  const double seconds =
      bench.MedianSeconds(kWarm, kRounds, [&] { at::matmul(a, b); });
  const auto n = static_cast<double>(side);
  return 2.0 * n * n * n / seconds;
}

}  // namespace

void MeasureRates(Bench& bench) {
  const Rates rates = {CopyRate(bench), ProductRate(bench)};
  bench.set_rates(rates);
  bench.report().Rate("copy_rate", rates.copy_bytes_per_second);
  bench.report().Rate("product_rate", rates.product_flop_per_second);
  bench.AddValue(absl::StrCat("copy on the device, ",
                              bench.sizes().copy_bytes >> 20, " MiB moved"),
                 "bytes read and bytes written",
                 rates.copy_bytes_per_second / 1e12, "TB/s");
  bench.AddValue(
      absl::StrCat("product ", bench.sizes().square, "^3, random data"),
      bench.device().dtype_name(), rates.product_flop_per_second / 1e12,
      "TFLOP/s");
}

}  // namespace cooper::bench
