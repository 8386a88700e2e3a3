// Built once for each instruction set, as packed_gemm_kernels.cc is;
// COOPER_BLOCK_ATTENTION names the table that it defines.

#include "model/torch/cpu/block_attention.h"
#include "model/torch/cpu/exp_approximation.h"
#include "model/torch/cpu/simd.h"

namespace cooper::torch_model::block_attention {
namespace {

using simd::Floats;
using simd::kWidth;
using simd::Load;
using simd::Min;
using simd::Save;

// Query vectors of a tile, with two sums each, as in packed_gemm.
constexpr int64_t kTileRows = kWidth == 16 ? 12 : 6;
constexpr int64_t kColumns = 2 * kWidth;
// Tokens of a block: its keys and values stay in the first-level cache for all
// tiles.
constexpr int64_t kBlock = 64;
constexpr float kNone = -3.0e38f;  // less than any score

int64_t Padded(int64_t dim) {
  return (dim + kColumns - 1) / kColumns * kColumns;
}

void PackKeys(const float* const* keys, int64_t count, int64_t dim,
              float* out) {
  for (int64_t t = 0; t < kColumns; ++t) {
    for (int64_t i = 0; i < dim; ++i) {
      out[i * kColumns + t] = t < count ? keys[t][i] : 0.0f;
    }
  }
}

void PackValues(const float* const* values, int64_t count, int64_t dim,
                float* out) {
  const int64_t padded = Padded(dim);
  for (int64_t t = 0; t < count; ++t) {
    for (int64_t i = 0; i < padded; ++i) {
      out[t * padded + i] = i < dim ? values[t][i] : 0.0f;
    }
  }
}

// Where the query vectors of an attention are worked on.
struct State {
  float* queries;  // [n][dim], scaled
  float* sums;     // [n][padded]: of weighted values
  float* largest;  // [n]: scores so far
  float* weights;  // [n]: their sum
  float* scores;   // [kTileRows][kBlock], then weights of the block
};

// scores[r][t] of kRows query vectors against `panels` panels.
template <int64_t kRows>
COOPER_INLINE void Scores(const float* queries, int64_t dim, const float* keys,
                          int64_t panels, float* scores) {
  for (int64_t panel = 0; panel < panels; ++panel) {
    const float* key = keys + panel * dim * kColumns;
    Floats low[kRows];
    Floats high[kRows];
    COOPER_UNROLL
    for (int r = 0; r < kRows; ++r) low[r] = high[r] = Floats{};
    for (int64_t i = 0; i < dim; ++i) {
      const Floats key_low = Load(key + i * kColumns);
      const Floats key_high = Load(key + i * kColumns + kWidth);
      COOPER_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const float query = queries[r * dim + i];
        low[r] += key_low * query;
        high[r] += key_high * query;
      }
    }
    COOPER_UNROLL
    for (int r = 0; r < kRows; ++r) {
      Save(scores + r * kBlock + panel * kColumns, low[r]);
      Save(scores + r * kBlock + panel * kColumns + kWidth, high[r]);
    }
  }
}

// sums[r] = sums[r] * keep[r] + weights[r] times the block's values.
template <int64_t kRows>
COOPER_INLINE void AddValues(const float* weights, const float* keep,
                             const float* values, int64_t count, int64_t padded,
                             float* sums) {
  for (int64_t column = 0; column < padded; column += kColumns) {
    Floats low[kRows];
    Floats high[kRows];
    COOPER_UNROLL
    for (int r = 0; r < kRows; ++r) {
      low[r] = Load(sums + r * padded + column) * keep[r];
      high[r] = Load(sums + r * padded + column + kWidth) * keep[r];
    }
    for (int64_t t = 0; t < count; ++t) {
      const Floats value_low = Load(values + t * padded + column);
      const Floats value_high = Load(values + t * padded + column + kWidth);
      COOPER_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const float weight = weights[r * kBlock + t];
        low[r] += value_low * weight;
        high[r] += value_high * weight;
      }
    }
    COOPER_UNROLL
    for (int r = 0; r < kRows; ++r) {
      Save(sums + r * padded + column, low[r]);
      Save(sums + r * padded + column + kWidth, high[r]);
    }
  }
}

// Turns a block's first `count` scores into weights, those behind into zeros;
// returns what earlier sums are to be multiplied by.
float Soften(float* scores, int64_t count, float* largest, float* sum) {
  for (int64_t t = count < 0 ? 0 : count; t < kBlock; ++t) scores[t] = kNone;
  Floats top = Load(scores);
  for (int64_t t = kWidth; t < kBlock; t += kWidth) {
    const Floats next = Load(scores + t);
    top = next > top ? next : top;
  }
  float most = *largest;
  for (int64_t lane = 0; lane < kWidth; ++lane) {
    most = top[lane] > most ? top[lane] : most;
  }
  for (int64_t t = 0; t < kBlock; ++t) scores[t] = Exp(scores[t] - most);
  // Exp is never 0.
  for (int64_t t = count < 0 ? 0 : count; t < kBlock; ++t) scores[t] = 0.0f;
  Floats added = Load(scores);
  for (int64_t t = kWidth; t < kBlock; t += kWidth) added += Load(scores + t);
  float total = 0.0f;
  for (int64_t lane = 0; lane < kWidth; ++lane) total += added[lane];
  const float keep = *sum == 0.0f ? 0.0f : Exp(*largest - most);
  *sum = *sum * keep + total;
  *largest = most;
  return keep;
}

int64_t Visible(const Queries& queries, int64_t vector) {
  return queries.visible + vector / queries.heads * queries.visible_step;
}

// One tile of kRows query vectors from `first` and the block from `begin`.
template <int64_t kRows>
COOPER_INLINE void Tile(const Queries& queries, const Context& context,
                        const State& state, int64_t first, int64_t begin) {
  const int64_t dim = queries.dim;
  const int64_t padded = Padded(dim);
  const int64_t count = Min(kBlock, context.tokens - begin);
  Scores<kRows>(state.queries + first * dim, dim, context.keys + begin * dim,
                (count + kColumns - 1) / kColumns, state.scores);
  float keep[kRows];
  for (int64_t r = 0; r < kRows; ++r) {
    keep[r] = Soften(state.scores + r * kBlock,
                     Min(count, Visible(queries, first + r) - begin),
                     state.largest + first + r, state.weights + first + r);
  }
  AddValues<kRows>(state.scores, keep, context.values + begin * padded, count,
                   padded, state.sums + first * padded);
}

// Calls Tile for a number of rows that is known only now.
template <int64_t kRows = kTileRows>
COOPER_INLINE void TileOf(int64_t rows, const Queries& queries,
                          const Context& context, const State& state,
                          int64_t first, int64_t begin) {
  if constexpr (kRows >= 1) {
    if (rows == kRows) {
      return Tile<kRows>(queries, context, state, first, begin);
    }
    TileOf<kRows - 1>(rows, queries, context, state, first, begin);
  }
}

void Attend(const Queries& queries, const Context& context, float* scratch,
            float* out, int64_t out_stride) {
  const int64_t dim = queries.dim;
  const int64_t padded = Padded(dim);
  const int64_t vectors = queries.rows * queries.heads;
  State state;
  state.scores = scratch;
  state.sums = state.scores + kTileRows * kBlock;
  state.queries = state.sums + vectors * padded;
  state.largest = state.queries + vectors * dim;
  state.weights = state.largest + vectors;
  for (int64_t v = 0; v < vectors; ++v) {
    const float* query = queries.query +
                         v / queries.heads * queries.row_stride +
                         v % queries.heads * dim;
    for (int64_t i = 0; i < dim; ++i) {
      state.queries[v * dim + i] = query[i] * queries.scale;
    }
    for (int64_t i = 0; i < padded; ++i) state.sums[v * padded + i] = 0.0f;
    state.largest[v] = kNone;
    state.weights[v] = 0.0f;
  }
  for (int64_t begin = 0; begin < context.tokens; begin += kBlock) {
    for (int64_t v = 0; v < vectors; v += kTileRows) {
      const int64_t rows = Min(kTileRows, vectors - v);
      if (Visible(queries, v + rows - 1) <= begin) continue;
      TileOf(rows, queries, context, state, v, begin);
    }
  }
  for (int64_t v = 0; v < vectors; ++v) {
    float* to = out + v / queries.heads * out_stride + v % queries.heads * dim;
    const float inverse = 1.0f / state.weights[v];
    for (int64_t i = 0; i < dim; ++i) {
      to[i] = state.sums[v * padded + i] * inverse;
    }
  }
}

}  // namespace

extern const Kernels COOPER_BLOCK_ATTENTION;
const Kernels COOPER_BLOCK_ATTENTION = {kWidth == 16  ? "avx512"
                                        : kWidth == 8 ? "avx2"
                                                      : "baseline",
                                        kColumns,
                                        kColumns,
                                        PackKeys,
                                        PackValues,
                                        Attend};

}  // namespace cooper::torch_model::block_attention
