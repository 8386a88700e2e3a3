#include "model/image/resize.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"

namespace cooper::image {
namespace {

constexpr int kFractionBits = 22;
constexpr int kChannels = 3;
constexpr double kCubicA = -0.5;
constexpr double kSupport = 2.0;  // input samples each way, before stretching

// A size on its way through the rule. A thin strip is first enlarged by its
// short side: 1 x 10^9 px becomes 512 x 512*10^9, so 64 bits.
struct WideSize {
  int64_t width;
  int64_t height;
};

// Python's round(): half to even. The rounding mode of floating point is
// never changed in this process.
int64_t RoundHalfEven(double value) {
  return static_cast<int64_t>(std::nearbyint(value));
}

int64_t ScaleSide(int64_t side, double scale, int64_t stride) {
  const int64_t scaled = RoundHalfEven(static_cast<double>(side) * scale);
  const int64_t strides =
      RoundHalfEven(static_cast<double>(scaled) / static_cast<double>(stride));
  return std::max(stride, strides * stride);
}

WideSize Scale(WideSize size, double scale, int64_t stride) {
  return {ScaleSide(size.width, scale, stride),
          ScaleSide(size.height, scale, stride)};
}

// Pillow's rounding of a bound or a weight: half away from zero by adding it,
// which std::lround does not always match in the last place.
int RoundAsPillow(double value) {
  // NOLINTNEXTLINE(bugprone-incorrect-roundings): bit for bit, see above
  return static_cast<int>(value < 0 ? value - 0.5 : value + 0.5);
}

double Cubic(double x) {
  x = std::abs(x);
  if (x < 1.0) return ((kCubicA + 2.0) * x - (kCubicA + 3.0)) * x * x + 1;
  if (x < 2.0) {
    return (((x - 5) * x + 8) * x - 4) * kCubicA;
  }
  return 0.0;
}

// Which inputs make one output, and how much of each.
struct Tap {
  int first = 0;       // input sample
  int count = 0;       // inputs
  size_t weights = 0;  // index of the first weight
};

// All taps of one pass. Weights in fixed point, kFractionBits of fraction.
struct Kernel {
  std::vector<Tap> taps;
  std::vector<int32_t> weights;
};

Kernel MakeKernel(int in, int out) {
  const double scale = static_cast<double>(in) / out;
  const double stretch = std::max(scale, 1.0);
  const double reach = kSupport * stretch;
  Kernel kernel;
  kernel.taps.reserve(static_cast<size_t>(out));
  std::vector<double> weights;
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(RoundAsPillow(centre - reach), 0);
    const int last = std::min(RoundAsPillow(centre + reach), in);
    weights.clear();
    double sum = 0;
    for (int j = first; j < last; ++j) {
      // The reciprocal, as Pillow multiplies by it: the last bit can matter.
      const double weight = Cubic((j - centre + 0.5) * (1.0 / stretch));
      weights.push_back(weight);
      sum += weight;
    }
    kernel.taps.push_back({first, last - first, kernel.weights.size()});
    for (double weight : weights) {
      kernel.weights.push_back(
          RoundAsPillow(weight / sum * (1 << kFractionBits)));
    }
  }
  return kernel;
}

// A block of values that are summed together: 16 pixels, which the compiler
// keeps in vector registers for all taps of an output.
constexpr size_t kBlock = size_t{16} * kChannels;

// One output of up to kBlock lanes from lines `stride` apart. 255 times the sum
// of the weights' sizes stays below 2^31: a cubic's is at most 1.3 * 2^22.
template <size_t kLanes>
void SumTaps(const uint8_t* in, size_t stride, const int32_t* weights,
             int count, size_t lanes, uint8_t* out) {
  // A constant number of lanes where there is one.
  const size_t n = kLanes != 0 ? kLanes : lanes;
  int32_t sum[kBlock];
  for (size_t i = 0; i < n; ++i) sum[i] = 1 << (kFractionBits - 1);
  for (int j = 0; j < count; ++j, in += stride) {
    const int32_t weight = weights[j];
    for (size_t i = 0; i < n; ++i) sum[i] += weight * in[i];
  }
  for (size_t i = 0; i < n; ++i) {
    out[i] = static_cast<uint8_t>(std::clamp(sum[i] >> kFractionBits, 0, 255));
  }
}

// Maps lines of `lanes` contiguous values, one line per sample, to lines as
// long.
void ResampleLines(const Kernel& kernel, const uint8_t* in, size_t lanes,
                   uint8_t* out) {
  for (const Tap& tap : kernel.taps) {
    const uint8_t* first = in + static_cast<size_t>(tap.first) * lanes;
    const int32_t* weights = kernel.weights.data() + tap.weights;
    size_t lane = 0;
    for (; lane + kBlock <= lanes; lane += kBlock) {
      SumTaps<kBlock>(first + lane, lanes, weights, tap.count, kBlock,
                      out + lane);
    }
    if (lane < lanes) {
      SumTaps<0>(first + lane, lanes, weights, tap.count, lanes - lane,
                 out + lane);
    }
    out += lanes;
  }
}

RgbImage ResizeRows(const RgbImage& image, int height) {
  const Kernel kernel = MakeKernel(image.size.height, height);
  const size_t row = static_cast<size_t>(image.size.width) * kChannels;
  RgbImage result{{image.size.width, height}, {}};
  result.pixels.resize(row * static_cast<size_t>(height));
  ResampleLines(kernel, image.pixels.data(), row, result.pixels.data());
  return result;
}

// Bands of rows are turned so that one column of the band is contiguous: then
// columns are summed the way rows are, a vector at a time.
RgbImage ResizeColumns(const RgbImage& image, int width) {
  constexpr size_t kBand = kBlock / kChannels;  // rows
  const Kernel kernel = MakeKernel(image.size.width, width);
  const auto in_width = static_cast<size_t>(image.size.width);
  const auto out_width = static_cast<size_t>(width);
  const auto height = static_cast<size_t>(image.size.height);
  RgbImage result{{width, image.size.height}, {}};
  result.pixels.resize(out_width * height * kChannels);
  std::vector<uint8_t> turned(in_width * kBlock);
  std::vector<uint8_t> columns(out_width * kBlock);
  for (size_t top = 0; top < height; top += kBand) {
    const size_t rows = std::min(kBand, height - top);
    for (size_t r = 0; r < rows; ++r) {
      const uint8_t* in =
          image.pixels.data() + (top + r) * in_width * kChannels;
      uint8_t* out = turned.data() + r * kChannels;
      for (size_t x = 0; x < in_width; ++x, in += kChannels, out += kBlock) {
        out[0] = in[0];
        out[1] = in[1];
        out[2] = in[2];
      }
    }
    ResampleLines(kernel, turned.data(), kBlock, columns.data());
    for (size_t r = 0; r < rows; ++r) {
      const uint8_t* in = columns.data() + r * kChannels;
      uint8_t* out = result.pixels.data() + (top + r) * out_width * kChannels;
      for (size_t x = 0; x < out_width; ++x, in += kBlock, out += kChannels) {
        out[0] = in[0];
        out[1] = in[1];
        out[2] = in[2];
      }
    }
  }
  return result;
}

}  // namespace

Size ResizedSize(Size size, const model::ImageRule& rule) {
  COOPER_CHECK(size.width > 0 && size.height > 0);
  const double longer = std::max(size.width, size.height);
  const double shorter = std::min(size.width, size.height);
  const double scale =
      std::max(std::min(rule.max_size / longer, 1.0), rule.min_size / shorter);
  WideSize wide = Scale({size.width, size.height}, scale, rule.stride);
  const double area =
      static_cast<double>(wide.width) * static_cast<double>(wide.height);
  const auto max_pixels = static_cast<double>(rule.max_pixels);
  if (area > max_pixels) wide = Scale(wide, max_pixels / area, rule.stride);
  const int64_t long_edge = std::max(wide.width, wide.height);
  if (long_edge > rule.max_size) {
    wide = Scale(
        wide,
        static_cast<double>(rule.max_size) / static_cast<double>(long_edge),
        rule.stride);
  }
  return {static_cast<int>(wide.width), static_cast<int>(wide.height)};
}

RgbImage Resize(const RgbImage& image, Size size) {
  COOPER_CHECK(size.width > 0 && size.height > 0);
  COOPER_CHECK(image.size.width > 0 && image.size.height > 0);
  COOPER_CHECK(image.pixels.size() ==
               static_cast<size_t>(image.size.width) *
                   static_cast<size_t>(image.size.height) * kChannels);
  if (size == image.size) return image;
  if (size.width == image.size.width) return ResizeRows(image, size.height);
  RgbImage columns = ResizeColumns(image, size.width);
  if (size.height == columns.size.height) return columns;
  return ResizeRows(columns, size.height);
}

RgbImage ApplyRule(const RgbImage& image, const model::ImageRule& rule) {
  return Resize(image, ResizedSize(image.size, rule));
}

}  // namespace cooper::image
