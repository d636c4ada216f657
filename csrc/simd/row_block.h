// A block of 64 rows, reduced to three numbers per row: the largest score, the sum of the other terms
// relative to it, and the sum of their squares. exact_row and exact_columns.h compute them in float64;
// fast_row.h and fast_columns.h in float32.
#pragma once

namespace calibench::CALIBENCH_ISA {

constexpr int kBlockRows = 64;

struct BlockRows {
  int64_t prediction[kBlockRows];
  int64_t label[kBlockRows];
  // Sets of rows, one bit each. The code that fills a block begins with empty sets.
  uint64_t infinite = 0;      // a score is infinite or NaN
  uint64_t out_of_range = 0;  // a probability is not in [0, 1 + 1e-3]
  uint64_t bad_label = 0;
};

struct RowBlock : BlockRows {
  double top[kBlockRows];          // largest score
  double others[kBlockRows];       // sum of the terms of the other scores
  double squares[kBlockRows];      // sum of the squares of these terms
  double ties[kBlockRows];         // further scores equal to the largest; they are not among the others
  double label_score[kBlockRows];  // score of the label class
};

struct FastBlock : BlockRows {
  float top[kBlockRows];
  float inverse_unit[kBlockRows];  // 1 / exp2_shifted of the largest score
  float ties[kBlockRows];          // 0 if they are among the others; then each counts about one unit
  float label_score[kBlockRows];
  double others[kBlockRows];   // in units
  double squares[kBlockRows];  // in units squared
  uint64_t too_large = 0;      // rows whose largest score is beyond kFastTop
};

CALIBENCH_INLINE void count_hits(unsigned hits, int64_t j, int64_t* index, int* count) {
  if (*index < 0) *index = j + __builtin_ctz(hits);
  *count += __builtin_popcount(hits);
}

// Fills row i of the block in float64. The terms are exp(x_j - top) for logits, and p_j for probabilities.
template <bool kFromProbs, typename T>
CALIBENCH_FUNCTION void exact_row(const T* x, int64_t classes, int i, RowBlock* block) {
  const double first = to_double(x[0]);
  D top_lanes = set(first), bottom_lanes = top_lanes, bad = set(0.0);
  for (int64_t j = 0; j < classes; j += 8) {
    const D a = j + 8 <= classes ? load8(x + j) : load8(x + j, classes - j, first);
    top_lanes = max(a, top_lanes);
    if constexpr (kFromProbs) bottom_lanes = min(a, bottom_lanes);
    bad = fma(a, set(0.0), bad);
  }
  const double top = largest(top_lanes);
  const D vtop = set(top);
  D others = set(0.0), squares = others;
  int64_t index = -1;
  int tie_count = 0;
  // Short runs: the rounding error is that of 64 + K / 512 terms.
  for (int64_t start = 0; start < classes; start += 512) {
    const int64_t end = min_of<int64_t>(start + 512, classes);
    D s = set(0.0), q = s;
    for (int64_t j = start; j < end; j += 8) {
      const D a = j + 8 <= classes ? load8(x + j) : load8(x + j, classes - j, top);
      D e = kFromProbs ? a : exp(a - vtop);
      const Mask8 hits = equal(a, vtop);
      if (CALIBENCH_UNLIKELY(bits(hits))) {
        const unsigned valid_hits = bits(hits) & (classes - j >= 8 ? 0xffu : (1u << (classes - j)) - 1);
        if (valid_hits) count_hits(valid_hits, j, &index, &tie_count);
        e = select(hits, set(0.0), e);
      }
      s = s + e;
      q = fma(e, e, q);
    }
    others = others + s;
    squares = squares + q;
  }
  block->top[i] = top;
  block->others[i] = sum(others);
  block->squares[i] = sum(squares);
  block->ties[i] = tie_count - 1;
  block->prediction[i] = index;
  block->infinite |= static_cast<uint64_t>(bits(equal(bad, set(0.0))) != 0xffu) << i;
  if constexpr (kFromProbs) {
    const bool in_range = smallest(bottom_lanes) >= 0.0 && top <= kProbabilityCeiling;
    block->out_of_range |= static_cast<uint64_t>(!in_range) << i;
  }
}

}  // namespace calibench::CALIBENCH_ISA
