#include "model/image/colour_labels.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <mutex>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <tuple>

namespace cooper::image {
namespace {

using Colour = std::array<uint8_t, 3>;

constexpr size_t kMaxColours = 255;  // labels are bytes, 0 is none
constexpr int kCellShift = 3;        // 32 cells a channel
constexpr size_t kCells = size_t{1} << (3 * (8 - kCellShift));
constexpr int kSameColour = 36;       // distance in RGB
constexpr int kFlatRange = 24;        // grey levels within 3x3 pixels
constexpr double kEnoughFlat = 0.10;  // of the pixels
constexpr int kLargeSide = 256;       // px; see IsLarge

// Index of a colour, plus one.
using Label = uint8_t;
constexpr Label kNone = 0;

size_t CellOf(const uint8_t* rgb) {
  constexpr int kBits = 8 - kCellShift;
  return static_cast<size_t>(rgb[0] >> kCellShift) << (2 * kBits) |
         static_cast<size_t>(rgb[1] >> kCellShift) << kBits |
         static_cast<size_t>(rgb[2] >> kCellShift);
}

int SquaredDistance(const Colour& a, const Colour& b) {
  int sum = 0;
  for (size_t c = 0; c < 3; ++c) sum += (a[c] - b[c]) * (a[c] - b[c]);
  return sum;
}

// Blurs are a few pixels wide on any map: a large one can pay for being rid of
// them with its smallest details, a small one cannot.
bool IsLarge(Size size) {
  return std::min(size.width, size.height) >= kLargeSide;
}

// OpenCV would start threads of its own; callers run on a pool already.
void KeepOpenCvOnThisThread() {
  static std::once_flag once;
  std::call_once(once, [] { cv::setNumThreads(0); });
}

cv::Mat Smooth(const RgbImage& image) {
  // OpenCV has no view of constant data; medianBlur only reads it.
  const cv::Mat source(image.size.height, image.size.width, CV_8UC3,
                       const_cast<uint8_t*>(image.pixels.data()));
  cv::Mat smooth;
  cv::medianBlur(source, smooth, IsLarge(image.size) ? 5 : 3);
  return smooth;
}

// One byte a pixel: not 0 where the pixel lies in a flat area. On a noisy map
// the demand sinks until enough pixels meet it.
std::vector<uint8_t> FlatPixels(const cv::Mat& smooth) {
  const cv::Mat box = cv::Mat::ones(3, 3, CV_8U);
  cv::Mat range;
  cv::morphologyEx(smooth, range, cv::MORPH_GRADIENT, box);
  const size_t pixels = range.total();
  std::vector<uint8_t> ranges(pixels);
  std::array<size_t, 256> histogram = {};
  const uint8_t* in = range.ptr<uint8_t>();
  for (uint8_t& value : ranges) {
    value = std::max({in[0], in[1], in[2]});
    ++histogram[value];
    in += 3;
  }
  size_t limit = 0;
  size_t flat = 0;
  const auto enough =
      static_cast<size_t>(kEnoughFlat * static_cast<double>(pixels));
  for (; limit < 256; ++limit) {
    if (limit > kFlatRange && flat > enough) break;
    flat += histogram[limit];
  }
  for (uint8_t& value : ranges) value = value < limit ? 1 : 0;
  return ranges;
}

// The colours of a map and, per cell of the colour cube, the nearest of them.
struct Palette {
  std::vector<Colour> colours;  // of label i + 1
  std::vector<Label> of_cell = std::vector<Label>(kCells, kNone);
};

// Most frequent first: a cell joins the nearest colour found so far, or founds
// a new one.
Palette LearnPalette(const cv::Mat& smooth, const std::vector<uint8_t>& flat) {
  struct Cell {
    uint64_t count = 0;
    std::array<uint64_t, 3> sum = {};
  };
  std::vector<Cell> cells(kCells);
  const uint8_t* rgb = smooth.ptr<uint8_t>();
  for (size_t i = 0; i < flat.size(); ++i, rgb += 3) {
    if (flat[i] == 0) continue;
    Cell& cell = cells[CellOf(rgb)];
    ++cell.count;
    for (size_t c = 0; c < 3; ++c) cell.sum[c] += rgb[c];
  }
  std::vector<size_t> order;
  for (size_t i = 0; i < kCells; ++i) {
    if (cells[i].count > 0) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&cells](size_t a, size_t b) {
    return std::tie(cells[b].count, a) < std::tie(cells[a].count, b);
  });
  Palette palette;
  for (size_t index : order) {
    const Cell& cell = cells[index];
    Colour mean;
    for (size_t c = 0; c < 3; ++c) {
      mean[c] =
          static_cast<uint8_t>((cell.sum[c] + cell.count / 2) / cell.count);
    }
    size_t nearest = 0;
    int distance = std::numeric_limits<int>::max();
    for (size_t i = 0; i < palette.colours.size(); ++i) {
      const int d = SquaredDistance(mean, palette.colours[i]);
      if (d < distance) {
        distance = d;
        nearest = i;
      }
    }
    if (distance > kSameColour * kSameColour &&
        palette.colours.size() < kMaxColours) {
      nearest = palette.colours.size();
      palette.colours.push_back(mean);
    }
    palette.of_cell[index] = static_cast<Label>(nearest + 1);
  }
  return palette;
}

// Labels of the flat pixels; on a large map only of those that lie well within
// an area of their label, if there are any.
std::vector<Label> LabelInnerPixels(const cv::Mat& smooth, Size size,
                                    const std::vector<uint8_t>& flat,
                                    const Palette& palette) {
  const uint8_t* rgb = smooth.ptr<uint8_t>();
  std::vector<Label> labels(flat.size(), kNone);
  for (size_t i = 0; i < flat.size(); ++i) {
    if (flat[i] != 0) labels[i] = palette.of_cell[CellOf(rgb + 3 * i)];
  }
  if (!IsLarge(size)) return labels;
  const cv::Mat all(size.height, size.width, CV_8U, labels.data());
  const cv::Mat box = cv::Mat::ones(5, 5, CV_8U);
  cv::Mat least;
  cv::Mat most;
  cv::erode(all, least, box);
  cv::dilate(all, most, box);
  std::vector<Label> inner(labels.size(), kNone);
  bool any = false;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (least.data[i] != most.data[i] || labels[i] == kNone) continue;
    inner[i] = labels[i];
    any = true;
  }
  return any ? inner : labels;
}

// Lets the labels grow over the unlabelled pixels, one pixel a round, until all
// have one. Where labels meet, the one whose colour is nearest wins; none runs
// ahead along a border whose mixed colour happens to be like its own.
class Grower {
 public:
  Grower(const cv::Mat& smooth, Size size, const Palette& palette,
         std::vector<Label>& labels)
      : rgb_(smooth.ptr<uint8_t>()),
        width_(static_cast<size_t>(size.width)),
        palette_(palette),
        labels_(labels),
        seen_(labels) {}

  void Grow() {
    std::vector<size_t> border;
    for (size_t i = 0; i < labels_.size(); ++i) {
      if (labels_[i] == kNone) continue;
      ForNeighbours(i, [&](size_t n) { Enlist(n, border); });
    }
    std::vector<Label> grown;
    std::vector<size_t> next;
    while (!border.empty()) {
      // All of a round see the labels of the round before.
      grown.clear();
      for (size_t pixel : border) grown.push_back(NearestLabelBeside(pixel));
      next.clear();
      for (size_t i = 0; i < border.size(); ++i) {
        labels_[border[i]] = grown[i];
        ForNeighbours(border[i], [&](size_t n) { Enlist(n, next); });
      }
      border.swap(next);
    }
  }

 private:
  template <typename Visit>
  void ForNeighbours(size_t pixel, Visit visit) const {
    const size_t column = pixel % width_;
    if (column > 0) visit(pixel - 1);
    if (column + 1 < width_) visit(pixel + 1);
    if (pixel >= width_) visit(pixel - width_);
    if (pixel + width_ < labels_.size()) visit(pixel + width_);
  }

  void Enlist(size_t pixel, std::vector<size_t>& border) {
    if (seen_[pixel] != kNone) return;
    seen_[pixel] = 1;
    border.push_back(pixel);
  }

  Label NearestLabelBeside(size_t pixel) const {
    const Colour colour = {rgb_[3 * pixel], rgb_[3 * pixel + 1],
                           rgb_[3 * pixel + 2]};
    Label nearest = kNone;
    int distance = std::numeric_limits<int>::max();
    ForNeighbours(pixel, [&](size_t n) {
      if (labels_[n] == kNone || labels_[n] == nearest) return;
      const int d = SquaredDistance(colour, palette_.colours[labels_[n] - 1u]);
      if (d < distance) {
        distance = d;
        nearest = labels_[n];
      }
    });
    return nearest;
  }

  const uint8_t* rgb_;
  size_t width_;
  const Palette& palette_;
  std::vector<Label>& labels_;
  std::vector<Label> seen_;  // not kNone: labelled, or on a border
};

}  // namespace

std::vector<uint8_t> LabelColours(const RgbImage& map) {
  KeepOpenCvOnThisThread();
  const cv::Mat smooth = Smooth(map);
  const std::vector<uint8_t> flat = FlatPixels(smooth);
  const Palette palette = LearnPalette(smooth, flat);
  std::vector<Label> labels = LabelInnerPixels(smooth, map.size, flat, palette);
  Grower(smooth, map.size, palette, labels).Grow();
  return labels;
}

}  // namespace cooper::image
