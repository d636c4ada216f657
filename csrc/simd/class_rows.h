// The probabilities of one row in float64. Multiplications and additions are never fused, and lanes are added
// in order: every instruction set gives the same bits.
#pragma once

#include "../core/class_rows.h"

namespace calibench::CALIBENCH_ISA {

// exp(x) for x <= 0, to 2 ulp: the steps of `exp` without fused multiplication.
CALIBENCH_INLINE D exp_unfused(D x) {
  const D clamped = max(set(kExpUnderflow), x);
  const D shifted = clamped * set(kLog2e) + set(kRound);
  const D n = shifted - set(kRound);
  const D r = (clamped - n * set(kLn2High)) - n * set(kLn2Low);
  D p = set(0x1.28b408307df80p-22);
  p = p * r + set(0x1.72faf41e9d7f6p-19);
  p = p * r + set(0x1.a01991a987b0ep-16);
  p = p * r + set(0x1.a01978c2c19adp-13);
  p = p * r + set(0x1.6c16c187fd096p-10);
  p = p * r + set(0x1.1111112dd7cd0p-7);
  p = p * r + set(0x1.555555554f0c9p-5);
  p = p * r + set(0x1.555555554b74cp-3);
  p = p * r + set(0x1.0000000000011p-1);
  p = p * r + set(0x1.000000000001ep+0);
  p = p * r + set(1.0);
  return select(less(x, set(kExpUnderflow)), set(0.0), scale(p, shifted));
}

// ln(x) of positive normal x: the steps of `log` without fused multiplication.
CALIBENCH_INLINE D log_unfused(D x) {
  D m, e;
  split(x, &m, &e);
  const D s = (m - set(1.0)) / (m + set(1.0));
  const D z = s * s;
  D p = set(1.0 / 21);
  for (int k = 19; k >= 3; k -= 2) p = p * z + set(1.0 / k);
  const D tail = s * z * p;
  return e * set(kLn2High) + (e * set(kLn2Low) + (s + tail + (s + tail)));
}

CALIBENCH_INLINE double sum_in_order(D x) {
  double lanes[8], total = 0.0;
  store(lanes, x);
  for (int l = 0; l < 8; ++l) total += lanes[l];
  return total;
}

// The terms of one row, whose probabilities are terms / sum.
struct RowTerms {
  int64_t prediction;  // the first of the largest scores
  double sum;
};

// Writes the terms of row x to p [K + 7]: exp(x_k - top), or probabilities themselves with a sum of 1.
template <typename T>
CALIBENCH_INLINE RowTerms row_terms(const T* x, int64_t K, bool from_probs, double* p) {
  constexpr double kNone = -HUGE_VAL;
  D top_lanes = set(kNone);
  for (int64_t j = 0; j < K; j += 8) {
    const D a = j + 8 <= K ? load8(x + j) : load8(x + j, K - j, kNone);
    store(p + j, a);
    top_lanes = max(a, top_lanes);
  }
  const D top = set(largest(top_lanes));
  RowTerms row{0, 1.0};
  for (int64_t j = 0; j < K; j += 8) {
    const unsigned hits = bits(equal(load(p + j), top));
    if (hits != 0) {
      row.prediction =
          min_of(j + __builtin_ctz(hits), K - 1);  // of NaN and -inf alone, a lane beyond the row
      break;
    }
  }
  if (from_probs) return row;
  D total = set(0.0);
  for (int64_t j = 0; j < K; j += 8) {
    const D e = exp_unfused(load(p + j) - top);
    store(p + j, e);
    total = total + e;
  }
  row.sum = sum_in_order(total);
  return row;
}

template <typename T>
CALIBENCH_INLINE RowTerms row_terms(const ClassRows& rows, int64_t item, double* p) {
  const Scores& scores = rows.scores;
  const int64_t K = scores.classes;
  const T* x = static_cast<const T*>(scores.data) + rows.row(item) * scores.row_stride;
  if (scores.class_stride == 1) return row_terms(x, K, rows.from_probs, p);
  T* copy = reinterpret_cast<T*>(p + K + 8);  // in the scratch of the cells, which are found later
  for (int64_t j = 0; j < K; ++j) copy[j] = x[j * scores.class_stride];
  return row_terms(copy, K, rows.from_probs, p);
}

// Writes the probabilities of the row of an item to p [K + 7], and returns the prediction.
template <typename T>
CALIBENCH_INLINE int64_t row_probabilities(const ClassRows& rows, int64_t item, double* p) {
  const RowTerms row = row_terms<T>(rows, item, p);
  const D sum = set(row.sum);
  for (int64_t j = 0; j < rows.scores.classes; j += 8) store(p + j, load(p + j) / sum);
  return row.prediction;
}

// The bin of p, as in core/bins.h; `first_edge` is the upper edge of bin 0.
CALIBENCH_INLINE int32_t class_bin_of(double p, double first_edge, int64_t bins) {
  return p <= first_edge ? 0 : static_cast<int32_t>(bin_of(p, bins));
}

// The cell of each class, k * M + bin, in cells [K]. With factors, each probability is multiplied by that of
// its cell, and the row scaled to 1.
CALIBENCH_INLINE void find_cells(const ClassRows& rows, double first_edge, double* p, int32_t* cells) {
  const int64_t K = rows.scores.classes, M = rows.bins;
  for (int64_t k = 0; k < K; ++k) {
    cells[k] = static_cast<int32_t>(k * M) + class_bin_of(p[k], first_edge, M);
  }
  if (rows.factors == nullptr) return;
  double total = 0.0;
  for (int64_t k = 0; k < K; ++k) {
    p[k] *= rows.factors[cells[k]];
    total += p[k];
  }
  for (int64_t k = 0; k < K; ++k) p[k] /= total;
}

CALIBENCH_INLINE double first_edge_of(int64_t bins) { return bins == 1 ? HUGE_VAL : bin_edge(1, bins); }

}  // namespace calibench::CALIBENCH_ISA
