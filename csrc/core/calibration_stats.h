// calibration_stats without torch: its arguments, the sums of a chunk of rows, and how chunks are added up.
#pragma once

#include <cstddef>

#include "bins.h"
#include "row.h"
#include "sum.h"

namespace calibench {

// The rows of the `samples` output, [5, N] float64.
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

// Rows per chunk. It depends on the problem only, never on the number of threads, because the chunks fix the
// order of the sums. 262 144 scores take about 0.1 ms, much longer than waking a thread; at least 4 * bins
// rows keep the partial sums below 8 doubles per row.
inline int64_t chunk_rows(int64_t classes, int64_t bins) {
  const int64_t by_size = 262144 / classes;
  const int64_t bounded = by_size < 64 ? 64 : by_size > 1024 ? 1024 : by_size;
  return bounded > 4 * bins ? bounded : 4 * bins;
}

// The state of calibration_update is [M + 2, 4]. Row k < M: count, number correct, confidence sum and carry
// of bin k. Row M: N, unused, NLL sum and carry. Row M + 1: number correct, unused, Brier sum and carry.
constexpr int64_t kStateColumns = 4;

// Adds `part` to a sum and its carry at pair[0] and pair[1].
CALIBENCH_HD void add_pair(double* pair, const Sum& part) {
  Sum total{pair[0], pair[1]};
  total.add(part);
  pair[0] = total.sum;
  pair[1] = total.carry;
}

// Adds the chunks to the state, in order. A stream fed in whole chunks
// therefore gives the same bits as one call.
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

// Writes the state to bin_sums [3, M] (count, sum of confidence, number correct) and
// totals [4] (NLL, Brier, number correct, N).
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
