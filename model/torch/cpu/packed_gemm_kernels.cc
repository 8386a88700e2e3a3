// Built once for each instruction set (CMakeLists.txt), with
// COOPER_PACKED_GEMM_KERNELS naming the table that it defines. Nothing here may
// include a header with functions that may stay out of line: the linker would
// keep one build's copy for the whole program, perhaps one that this processor
// cannot run. That is also why it is one long file.

#include "model/torch/cpu/packed_gemm.h"
#include "model/torch/cpu/simd.h"

namespace cooper::torch_model::packed_gemm {
namespace {

using simd::Floats;
using simd::kWidth;
using simd::LooseFloats;
using simd::Min;
using simd::Words;

#if defined(__AVX512F__)
constexpr int64_t kRowBlock = 12;  // two sums a row: 24 of 32 registers
constexpr int64_t kDepth = 256;
#elif defined(__AVX2__)
constexpr int64_t kRowBlock = 6;  // two sums a row: 12 of 16 registers
constexpr int64_t kDepth = 384;
#else
constexpr int64_t kRowBlock = 6;
constexpr int64_t kDepth = 384;
#endif
// A panel's columns: as many as one vector of 32-bit words holds in halves.
constexpr int64_t kColumns = 2 * kWidth;
// Rows whose inputs, kDepth of them at a time, stay in the second-level cache.
constexpr int64_t kCachedRows = kRowBlock * (kWidth == 16 ? 24 : 32);
// Up to here a panel is turned into floats anew for every kRowBlock rows.
constexpr int64_t kFewRows = 4 * kRowBlock;
// How far ahead of its use a panel is asked for.
constexpr int64_t kPrefetchBytes = 1024;
constexpr int64_t kCacheLine = 64;

// The columns of a panel at one input.
struct Columns {
  Floats low, high;
};

struct Bf16Panel {
  static constexpr int64_t kBytes = 2;
  static COOPER_INLINE Columns At(const char* panel, int64_t input) {
    const Words words = reinterpret_cast<const Words*>(panel)[input];
    return {(Floats)(words << 16), (Floats)(words & 0xffff0000u)};
  }
};

struct F16Panel {
  static constexpr int64_t kBytes = 2;
  // A float16's exponent and mantissa, put where float32 has them, are its
  // value times 2^-112; exact for all finite values, subnormal ones too.
  static COOPER_INLINE Floats Scaled(Words magnitude, Words sign) {
    const Floats value = (Floats)magnitude * 0x1p112f;
    return (Floats)((Words)value | sign);
  }
  static COOPER_INLINE Columns At(const char* panel, int64_t input) {
    const Words words = reinterpret_cast<const Words*>(panel)[input];
    return {
        Scaled((words & 0x7fffu) << 13, (words & 0x8000u) << 16),
        Scaled((words & 0x7fff0000u) >> 3, words & 0x80000000u),
    };
  }
};

struct F32Panel {
  static constexpr int64_t kBytes = 4;
  static COOPER_INLINE Columns At(const char* panel, int64_t input) {
    const Floats* floats = reinterpret_cast<const Floats*>(panel);
    return {floats[2 * input], floats[2 * input + 1]};
  }
};

// Where a tile's sums go: y = sums + bias for the first inputs of a row, y +=
// sums for the others. `columns` < kColumns at the matrix's edge.
struct Target {
  float* y;
  int64_t y_stride;
  const float* bias;
  int64_t columns;
  bool first;
};

// `sums` [rows, kColumns] into the matrix's last, narrower panel. Apart, so
// that it is not part of every tile.
__attribute__((noinline)) void StoreEdge(const float* sums, int64_t rows,
                                         const Target& to) {
  for (int64_t r = 0; r < rows; ++r) {
    float* y = to.y + r * to.y_stride;
    for (int64_t c = 0; c < to.columns; ++c) {
      const float sum = sums[r * kColumns + c];
      if (!to.first) {
        y[c] = y[c] + sum;
      } else {
        y[c] = to.bias != nullptr ? to.bias[c] + sum : sum;
      }
    }
  }
}

// Sums of kRows rows into y.
template <int64_t kRows>
COOPER_INLINE void Store(const Floats (&low)[kRows],
                         const Floats (&high)[kRows], const Target& to) {
  if (to.columns == kColumns) {
    COOPER_UNROLL
    for (int r = 0; r < kRows; ++r) {
      LooseFloats* y = reinterpret_cast<LooseFloats*>(to.y + r * to.y_stride);
      const LooseFloats* bias = reinterpret_cast<const LooseFloats*>(to.bias);
      if (!to.first) {
        y[0] = (Floats)y[0] + low[r];
        y[1] = (Floats)y[1] + high[r];
      } else if (bias != nullptr) {
        y[0] = (Floats)bias[0] + low[r];
        y[1] = (Floats)bias[1] + high[r];
      } else {
        y[0] = low[r];
        y[1] = high[r];
      }
    }
    return;
  }
  float sums[kRows * kColumns];
  COOPER_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LooseFloats* at = reinterpret_cast<LooseFloats*>(sums + r * kColumns);
    at[0] = low[r];
    at[1] = high[r];
  }
  StoreEdge(sums, kRows, to);
}

// Memory that a tile asks for on its way, for the tiles after it: lines from
// `line` on, one for every `inputs` inputs; none where that is 0.
struct Ahead {
  const char* line = nullptr;
  int64_t inputs = 0;
};

// kRows rows of x ([input * input_stride + r * row_stride]) times a panel.
template <class Panel, int64_t kRows, bool kPrefetch>
COOPER_INLINE void Tile(const char* panel, int64_t inputs, const float* x,
                        int64_t row_stride, int64_t input_stride,
                        const Target& to, Ahead ahead) {
  Floats low[kRows];
  Floats high[kRows];
  COOPER_UNROLL
  for (int r = 0; r < kRows; ++r) {
    low[r] = high[r] = Floats{};
    // y comes from afar; by the time the sums are there it is near.
    if (!kPrefetch) __builtin_prefetch(to.y + r * to.y_stride, 1, 3);
  }
  int64_t next_line = ahead.inputs > 0 ? 0 : inputs;
  for (int64_t i = 0; i < inputs; ++i) {
    constexpr int64_t kStep = Panel::kBytes * kColumns;
    if (kPrefetch) {
      COOPER_UNROLL
      for (int64_t line = 0; line < kStep; line += kCacheLine) {
        __builtin_prefetch(panel + i * kStep + kPrefetchBytes + line, 0, 3);
      }
    }
    if (i == next_line) {
      __builtin_prefetch(ahead.line, 0, 2);
      ahead.line += kCacheLine;
      next_line += ahead.inputs;
    }
    const Columns columns = Panel::At(panel, i);
    COOPER_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const float value = x[i * input_stride + r * row_stride];
      low[r] += columns.low * value;
      high[r] += columns.high * value;
    }
  }
  Store<kRows>(low, high, to);
}

// Calls Tile for a number of rows that is known only now.
template <class Panel, bool kPrefetch, int64_t kRows = kRowBlock>
COOPER_INLINE void TileOf(int64_t rows, const char* panel, int64_t inputs,
                          const float* x, int64_t row_stride,
                          int64_t input_stride, const Target& to,
                          Ahead ahead = {}) {
  if constexpr (kRows >= 1) {
    if (rows == kRows) {
      return Tile<Panel, kRows, kPrefetch>(panel, inputs, x, row_stride,
                                           input_stride, to, ahead);
    }
    TileOf<Panel, kPrefetch, kRows - 1>(rows, panel, inputs, x, row_stride,
                                        input_stride, to, ahead);
  }
}

// One row times two panels: twice the sums under way, since two would wait for
// each other.
template <class Panel>
COOPER_INLINE void TwoPanels(const char* panel, int64_t panel_bytes,
                             int64_t inputs, const float* x, const Target& to) {
  constexpr int64_t kStep = Panel::kBytes * kColumns;
  Floats low[2][1] = {};
  Floats high[2][1] = {};
  for (int64_t i = 0; i < inputs; ++i) {
    COOPER_UNROLL
    for (int p = 0; p < 2; ++p) {
      const char* at = panel + p * panel_bytes;
      COOPER_UNROLL
      for (int64_t line = 0; line < kStep; line += kCacheLine) {
        __builtin_prefetch(at + i * kStep + kPrefetchBytes + line, 0, 3);
      }
      const Columns columns = Panel::At(at, i);
      low[p][0] += columns.low * x[i];
      high[p][0] += columns.high * x[i];
    }
  }
  Target next = to;
  Store<1>(low[0], high[0], to);
  next.y += kColumns;
  if (next.bias != nullptr) next.bias += kColumns;
  Store<1>(low[1], high[1], next);
}

struct Product {
  const Packed& weights;
  int64_t panel_begin, panel_end;
  const float* bias;
  const Rows& rows;
  float* scratch;

  // The outputs of `panel` for rows from `row`.
  Target To(int64_t panel, int64_t row, bool first) const {
    Target to;
    to.y = rows.y + row * rows.y_stride + panel * kColumns;
    to.y_stride = rows.y_stride;
    to.bias = bias == nullptr ? nullptr : bias + panel * kColumns;
    to.columns = Min(kColumns, weights.n - panel * kColumns);
    to.first = first;
    return to;
  }
};

template <class Panel>
COOPER_INLINE const char* PanelOf(const Product& product, int64_t panel,
                                  int64_t input) {
  constexpr int64_t kStep = Panel::kBytes * kColumns;
  return static_cast<const char*>(product.weights.panels) +
         (panel * product.weights.k + input) * kStep;
}

// Few rows: every panel is read from memory once, and turned into floats on the
// way. Where a piece of a panel serves several blocks of rows, only the first
// reads it from memory; so that memory does not rest meanwhile, each asks for a
// part of the piece that comes next.
template <class Panel>
void MultiplyFew(const Product& product) {
  const Rows& rows = product.rows;
  const int64_t k = product.weights.k;
  const int64_t panel_bytes = k * Panel::kBytes * kColumns;
  int64_t panel = product.panel_begin;
  if (rows.count == 1) {
    // All but the matrix's last panel, which may be narrower.
    const int64_t whole = Min(product.panel_end, product.weights.n / kColumns);
    for (; panel + 2 <= whole; panel += 2) {
      for (int64_t input = 0; input < k; input += kDepth) {
        TwoPanels<Panel>(PanelOf<Panel>(product, panel, input), panel_bytes,
                         Min(kDepth, k - input), rows.x + input,
                         product.To(panel, 0, input == 0));
      }
    }
  }
  // Blocks of about equal size; the first brings the panel's piece near.
  const int64_t blocks = (rows.count + kRowBlock - 1) / kRowBlock;
  const int64_t block = (rows.count + blocks - 1) / blocks;
  constexpr int64_t kStep = Panel::kBytes * kColumns;
  const char* end = PanelOf<Panel>(product, product.panel_end, 0);
  for (; panel < product.panel_end; ++panel) {
    for (int64_t input = 0; input < k; input += kDepth) {
      const char* piece = PanelOf<Panel>(product, panel, input);
      const int64_t inputs = Min(kDepth, k - input);
      Ahead ahead;
      ahead.line = piece + inputs * kStep;
      if (blocks > 1 && ahead.line < end) {
        ahead.inputs = kCacheLine * blocks / kStep;
      }
      TileOf<Panel, true>(Min(block, rows.count), piece, inputs, rows.x + input,
                          rows.x_stride, 1, product.To(panel, 0, input == 0),
                          ahead);
      for (int64_t row = block; row < rows.count; row += block) {
        ahead.line += inputs * kStep / blocks;
        TileOf<Panel, false>(Min(block, rows.count - row), piece, inputs,
                             rows.x + row * rows.x_stride + input,
                             rows.x_stride, 1,
                             product.To(panel, row, input == 0), ahead);
      }
    }
  }
}

// The inputs of kRowBlock rows side by side, block after block.
void Interleave(const float* x, int64_t x_stride, int64_t rows, int64_t inputs,
                float* out) {
  for (int64_t begin = 0; begin < rows; begin += kRowBlock) {
    const int64_t count = Min(kRowBlock, rows - begin);
    const float* from = x + begin * x_stride;
    float* to = out + begin * inputs;
    if (count == kRowBlock) {
      for (int64_t i = 0; i < inputs; ++i) {
        COOPER_UNROLL
        for (int r = 0; r < kRowBlock; ++r) {
          to[i * kRowBlock + r] = from[r * x_stride + i];
        }
      }
      continue;
    }
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t i = 0; i < inputs; ++i) {
        to[i * kRowBlock + r] = from[r * x_stride + i];
      }
    }
  }
}

// Many rows: a piece of a panel is turned into floats once, in the first-level
// cache, for all rows whose inputs are in the second-level cache.
template <class Panel>
void MultiplyMany(const Product& product) {
  const Rows& rows = product.rows;
  const int64_t k = product.weights.k;
  constexpr int64_t kStep = Panel::kBytes * kColumns;
  auto* piece = reinterpret_cast<Floats*>(product.scratch);
  float* interleaved = product.scratch + kDepth * kColumns;
  for (int64_t begin = 0; begin < rows.count; begin += kCachedRows) {
    const int64_t count = Min(kCachedRows, rows.count - begin);
    for (int64_t input = 0; input < k; input += kDepth) {
      const int64_t inputs = Min(kDepth, k - input);
      Interleave(rows.x + begin * rows.x_stride + input, rows.x_stride, count,
                 inputs, interleaved);
      for (int64_t panel = product.panel_begin; panel < product.panel_end;
           ++panel) {
        const char* from = PanelOf<Panel>(product, panel, input);
        for (int64_t i = 0; i < inputs; ++i) {
          const Columns columns = Panel::At(from, i);
          piece[2 * i] = columns.low;
          piece[2 * i + 1] = columns.high;
        }
        // The next panel's piece comes near meanwhile, a part with each tile.
        const int64_t tiles = (count + kRowBlock - 1) / kRowBlock;
        Ahead ahead;
        if (panel + 1 < product.panel_end) {
          ahead.line = PanelOf<Panel>(product, panel + 1, input);
          ahead.inputs = kCacheLine * tiles / kStep;
        }
        for (int64_t row = 0; row < count; row += kRowBlock) {
          TileOf<F32Panel, false>(
              Min(kRowBlock, count - row), reinterpret_cast<const char*>(piece),
              inputs, interleaved + row * inputs, 1, kRowBlock,
              product.To(panel, begin + row, input == 0), ahead);
          ahead.line += inputs * kStep / tiles;
        }
      }
    }
  }
}

template <class Panel>
void MultiplyAs(const Product& product) {
  if (product.rows.count <= kFewRows) {
    MultiplyFew<Panel>(product);
  } else {
    MultiplyMany<Panel>(product);
  }
}

void Multiply(const Packed& weights, int64_t panel_begin, int64_t panel_end,
              const float* bias, const Rows& rows, float* scratch) {
  const Product product{weights, panel_begin, panel_end, bias, rows, scratch};
  switch (weights.format) {
    case Format::kBf16:
      return MultiplyAs<Bf16Panel>(product);
    case Format::kF16:
      return MultiplyAs<F16Panel>(product);
    case Format::kF32:
      return MultiplyAs<F32Panel>(product);
  }
}

}  // namespace

extern const Kernels COOPER_PACKED_GEMM_KERNELS;
const Kernels COOPER_PACKED_GEMM_KERNELS = {
#if defined(__AVX512F__)
    "avx512",
#elif defined(__AVX2__)
    "avx2",
#else
    "baseline",
#endif
    kColumns, kRowBlock, kDepth*(kColumns + kCachedRows), &Multiply,
};

}  // namespace cooper::torch_model::packed_gemm
