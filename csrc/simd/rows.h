// What 64 rows of scores say, before any logarithm: per row the largest score, the sum of the others relative
// to it, and the sum of their squares. Here in float64; fast_row.h and fast_columns.h do it in float32.
#pragma once

namespace calibench::CALIBENCH_ISA {

constexpr int kBlockRows = 64;

struct RowBlock {
  double top[kBlockRows];   // largest score
  double unit[kBlockRows];  // exp2_shifted of the largest score: float32 sums are in this unit, so ties count
                            // 1 each
  double others[kBlockRows];   // sum over the other scores
  double squares[kBlockRows];  // the same of squares
  double ties[kBlockRows];     // scores equal to the largest, but one, unless they are among the others
  double truth[kBlockRows];    // score of the label
  double hit[kBlockRows];      // 1 where the prediction is the label
  int64_t prediction[kBlockRows];
  uint8_t finite[kBlockRows];
  uint8_t proper[kBlockRows];  // probabilities within [0, 1 + 1e-3]
};

CALIBENCH_INLINE void note_hits(unsigned hits, int64_t j, int64_t* index, int* count) {
  if (*index < 0) *index = j + __builtin_ctz(hits);
  *count += __builtin_popcount(hits);
}

// One row in float64 into lane i: terms exp(x_j - top) of logits, or p_j themselves.
template <bool kFromProbs, typename T>
CALIBENCH_FUNCTION void exact_row(const T* x, int64_t classes, int i, RowBlock* block) {
  const double first = to_double(x[0]);
  D top_lanes = set(first), least_lanes = top_lanes, bad = set(0.0);
  for (int64_t j = 0; j < classes; j += 8) {
    const D a = j + 8 <= classes ? load8(x + j) : load8(x + j, classes - j, first);
    top_lanes = max(a, top_lanes);
    if constexpr (kFromProbs) least_lanes = min(a, least_lanes);
    bad = fma(a, set(0.0), bad);
  }
  const double top = largest(top_lanes);
  const D vtop = set(top);
  D others = set(0.0), squares = others;
  int64_t index = -1;
  int hits_total = 0;
  for (int64_t start = 0; start < classes;
       start += 512) {  // short runs: the error stays that of 64 + K / 512 terms
    const int64_t end = least<int64_t>(start + 512, classes);
    D s = set(0.0), q = s;
    for (int64_t j = start; j < end; j += 8) {
      const D a = j + 8 <= classes ? load8(x + j) : load8(x + j, classes - j, top);
      D e = kFromProbs ? a : exp(a - vtop);
      const Mask8 hits = equal(a, vtop);
      if (CALIBENCH_UNLIKELY(bits(hits))) {
        const unsigned real = bits(hits) & (classes - j >= 8 ? 0xffu : (1u << (classes - j)) - 1);
        if (real) note_hits(real, j, &index, &hits_total);
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
  block->ties[i] = hits_total - 1;
  block->prediction[i] = index;
  block->finite[i] = bits(equal(bad, set(0.0))) == 0xffu;
  if constexpr (kFromProbs) block->proper[i] = smallest(least_lanes) >= 0.0 && top <= kProbabilityCeiling;
}

}  // namespace calibench::CALIBENCH_ISA
