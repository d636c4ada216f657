// calibration_stats: its arguments, the sums of a chunk of rows, and how chunks become the result. No torch.
#pragma once

#include <cstddef>

#include "bins.h"
#include "row.h"
#include "sum.h"

namespace calibench {

// Where the samples go: five rows of N float64, in this order.
enum SampleRow : int { kConfidence = 0, kTail = 1, kPrediction = 2, kNll = 3, kBrier = 4, kSampleRows = 5 };

struct CalibrationArgs {
  const void* scores;
  ScoreType score_type;
  int64_t rows;
  int64_t classes;
  int64_t row_stride;    // in elements
  int64_t class_stride;  // in elements
  LabelView labels;
  int64_t bins;
  bool from_probs;

  Scores view() const { return {scores, score_type, rows, classes, row_stride, class_stride}; }
};

struct BinSums {
  int64_t count = 0;
  int64_t correct = 0;
  Sum confidence;
};

struct ChunkTotals {
  Sum nll;
  Sum brier;
  int64_t first_bad = kNoBadRow;
};

// Rows a chunk: a function of the problem alone, never of the thread count, because the chunks fix the order
// of the sums. 262 144 scores take about 0.1 ms, long beside waking a thread; 4 * bins keeps partial sums
// below 8 doubles a row.
inline int64_t chunk_rows(int64_t classes, int64_t bins) {
  const int64_t by_size = 262144 / classes;
  const int64_t bounded = by_size < 64 ? 64 : by_size > 1024 ? 1024 : by_size;
  return bounded > 4 * bins ? bounded : 4 * bins;
}

// The state of calibration_update, [M + 2, 4]: a bin's count, correct, confidence sum and carry; then N, -,
// NLL sum and carry; then correct, -, Brier sum and carry.
constexpr int64_t kStateColumns = 4;

inline void add_pair(double* pair, const Sum& part) {
  Sum all;
  all.sum = pair[0];
  all.carry = pair[1];
  all.add(part);
  pair[0] = all.sum;
  pair[1] = all.carry;
}

// Adds chunk after chunk to the state, in their order: so a stream fed in whole chunks ends with the bits of
// one call.
inline void add_chunks(const BinSums* bins, const ChunkTotals* chunks, int64_t num_chunks, int64_t M,
                       int64_t rows, double* state) {
  double* totals = state + M * kStateColumns;
  int64_t correct = 0;
  for (int64_t c = 0; c < num_chunks; ++c) {
    for (int64_t k = 0; k < M; ++k) {
      const BinSums& part = bins[c * M + k];
      double* bin = state + k * kStateColumns;
      bin[0] += static_cast<double>(part.count);
      bin[1] += static_cast<double>(part.correct);
      add_pair(bin + 2, part.confidence);
      correct += part.correct;
    }
    add_pair(totals + 2, chunks[c].nll);
    add_pair(totals + kStateColumns + 2, chunks[c].brier);
  }
  totals[0] += static_cast<double>(rows);
  totals[kStateColumns] += static_cast<double>(correct);
}

// bin_sums [3, M] = count, confidence, correct; totals [4] = NLL, Brier, correct, N.
inline void read_state(const double* state, int64_t M, double* bin_sums, double* totals) {
  for (int64_t k = 0; k < M; ++k) {
    const double* bin = state + k * kStateColumns;
    bin_sums[k] = bin[0];
    bin_sums[M + k] = bin[2] + bin[3];
    bin_sums[2 * M + k] = bin[1];
  }
  const double* end = state + M * kStateColumns;
  totals[0] = end[2] + end[3];
  totals[1] = end[kStateColumns + 2] + end[kStateColumns + 3];
  totals[2] = end[kStateColumns];
  totals[3] = end[0];
}

}  // namespace calibench
