// The torch-free CPU side of calibration_stats: chunks of rows into partial sums, partial sums into the
// result.
#pragma once

#include <algorithm>
#include <vector>

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
};

// A bad row as one number, so that the least one is the lowest row: row * 4 + RowStatus.
constexpr int64_t kNoBadRow = INT64_MAX;
CALIBENCH_HD int64_t bad_row_code(int64_t row, RowStatus status) {
  return row * 4 + static_cast<int64_t>(status);
}
CALIBENCH_HD int64_t bad_row_index(int64_t code) { return code / 4; }
CALIBENCH_HD RowStatus bad_row_status(int64_t code) { return static_cast<RowStatus>(code % 4); }

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
// of the sums. About 65 536 scores make a chunk of about 0.5 ms; 4 * bins keeps the partial sums below 8
// doubles a row.
inline int64_t chunk_rows(const CalibrationArgs& args) {
  const int64_t by_size = std::clamp<int64_t>(65536 / args.classes, 64, 1024);
  return std::max(by_size, 4 * args.bins);
}

// Adds rows [begin, end) to `bins` [M] and `totals`; stops at the first bad row. `samples` is [5, N] or null.
template <typename T>
void accumulate_chunk(const CalibrationArgs& args, int64_t begin, int64_t end, BinSums* bins,
                      ChunkTotals* totals, double* samples) {
  const T* scores = static_cast<const T*>(args.scores);
  for (int64_t i = begin; i < end; ++i) {
    const int64_t label = args.labels.at(i);
    Row row;
    const RowStatus status = evaluate_row(scores + i * args.row_stride, args.classes, args.class_stride,
                                          label, args.from_probs, &row);
    if (status != RowStatus::kOk) {
      totals->first_bad = bad_row_code(i, status);
      return;
    }
    BinSums& bin = bins[bin_of(row.confidence, args.bins)];
    bin.count += 1;
    bin.correct += row.prediction == label;
    bin.confidence.add(row.confidence);
    totals->nll.add(row.nll);
    totals->brier.add(row.brier);
    if (samples != nullptr) {
      samples[kConfidence * args.rows + i] = row.confidence;
      samples[kTail * args.rows + i] = row.tail;
      samples[kPrediction * args.rows + i] = static_cast<double>(row.prediction);
      samples[kNll * args.rows + i] = row.nll;
      samples[kBrier * args.rows + i] = row.brier;
    }
  }
}

// Combines the chunks in their order: bin_sums [3, M] = count, confidence, correct; totals [4] = NLL, Brier,
// correct, N.
inline void combine_chunks(const CalibrationArgs& args, const std::vector<BinSums>& bins,
                           const std::vector<ChunkTotals>& chunks, double* bin_sums, double* totals) {
  const int64_t M = args.bins;
  int64_t correct = 0;
  for (int64_t k = 0; k < M; ++k) {
    BinSums all;
    for (size_t c = 0; c < chunks.size(); ++c) {
      const BinSums& part = bins[c * static_cast<size_t>(M) + static_cast<size_t>(k)];
      all.count += part.count;
      all.correct += part.correct;
      all.confidence.add(part.confidence);
    }
    bin_sums[k] = static_cast<double>(all.count);
    bin_sums[M + k] = all.confidence.value();
    bin_sums[2 * M + k] = static_cast<double>(all.correct);
    correct += all.correct;
  }
  ChunkTotals all;
  for (const ChunkTotals& part : chunks) {
    all.nll.add(part.nll);
    all.brier.add(part.brier);
  }
  totals[0] = all.nll.value();
  totals[1] = all.brier.value();
  totals[2] = static_cast<double>(correct);
  totals[3] = static_cast<double>(args.rows);
}

}  // namespace calibench
