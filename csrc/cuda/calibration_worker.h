// calibration_stats after the scan of a row: computes NLL, Brier and
// bin, and adds them to the sums of the thread.
#pragma once

#include "../core/calibration_stats.h"
#include "calibration_stats.h"
#include "fault.h"
#include "find_bin.h"
#include "row_scan.h"
#include "total.h"

namespace calibench {

// Each block writes its sum for row r, column c of the state to sums[(r * 4 + c) * blocks + block]. If bins
// are in shared memory, there are rows for the bins; else the samples are sorted by cell later.
struct CalibrationOutputs {
  double* sums;        // rows 0 .. M - 1 if bins are in shared memory, then the two rows of totals
  uint32_t* cells;     // [N] bin * 2 + correct; null if bins are in shared memory
  double* confidence;  // [N]; null if bins are in shared memory
  double* samples;     // [5, N], or null
  int64_t* fault;
};

struct RowMetrics {
  double confidence;
  double tail;
  double nll;
  double brier;
};

// The metrics of core/row.h. `exact` is false after a scan in float32; then the logarithm is in float32 too.
template <bool kProbs>
__device__ __forceinline__ RowMetrics row_metrics(const RowScan& row, double label_score, bool correct,
                                                  bool exact) {
  RowMetrics out;
  if (kProbs) {
    const double miss = 1.0 - label_score;
    out.confidence = row.top;
    out.tail = row.top > 0.0 ? row.others / row.top : HUGE_VAL;
    out.nll = -log(label_score > kProbabilityFloor ? label_score : kProbabilityFloor);
    const double rest = fmax(row.squares - label_score * label_score, 0.0) + row.top * row.top;
    out.brier = miss * miss + (correct ? row.squares : rest);
    return out;
  }
  const double r = row.others;
  const double margin = row.top - label_score;
  out.tail = r;
  out.confidence = 1.0 / (1.0 + r);
  out.nll = log_mass(r, exact) + margin;
  const double scale = out.confidence * out.confidence;
  if (correct) {
    const double miss = r * out.confidence;  // 1 - confidence without cancellation
    out.brier = miss * miss + scale * row.squares;
  } else {
    const double e = exact ? exp(-margin) : expf(static_cast<float>(-margin));
    const double miss = 1.0 - e * out.confidence;
    out.brier = miss * miss + scale * (1.0 + fmax(row.squares - e * e, 0.0));
  }
  return out;
}

template <bool kFromProbs>
struct CalibrationOp {
  static constexpr bool kProbs = kFromProbs;
  static constexpr bool kSquares = true;
  static constexpr bool kFast = true;

  LabelView labels;
  int64_t rows;
  int bins;
  int columns;  // threads that own rows, each with a column of bins in shared memory; 0 with too many bins
  CalibrationOutputs out;

  size_t shared_bytes() const { return bins * columns * (2 * sizeof(double) + sizeof(uint32_t)); }
  class Worker;
};

template <bool kFromProbs>
class CalibrationOp<kFromProbs>::Worker {
 public:
  __device__ Worker(const CalibrationOp& op, unsigned char* shared) : op_(op) {
    const int cells = op.bins * op.columns;
    sums_ = reinterpret_cast<double*>(shared);
    carries_ = sums_ + cells;
    counts_ = reinterpret_cast<uint32_t*>(carries_ + cells);
    for (int cell = threadIdx.x; cell < cells; cell += kThreads) {
      sums_[cell] = carries_[cell] = 0.0;
      counts_[cell] = 0;
    }
    __syncthreads();
  }

  // True if the confidence is so near an interior edge that an error of 1e-6 could move it to the other side.
  __device__ bool needs_float64(const RowScan& row) const {
    if (kFromProbs) return false;
    const double at = op_.bins / (1.0 + row.others);
    const double edge = rint(at);
    return edge >= 1.0 && edge <= op_.bins - 1.0 && fabs(at - edge) <= 1e-6 * op_.bins;
  }

  template <typename T>
  __device__ void accept(const Matrix<T>& matrix, const RowScan& row, int64_t i, bool valid) {
    if (!valid) return;
    const int64_t label = op_.labels.at(i);
    const bool label_valid = label >= 0 && label < matrix.classes;
    if (row.flags != 0 || !label_valid) {
      report(op_.out.fault, i, bad_row_status(row, label_valid));
      if (op_.columns == 0) op_.out.cells[i] = 0;  // the sort needs a cell
      return;
    }
    const bool correct = label == row.index;
    const RowMetrics metrics =
        row_metrics<kFromProbs>(row, matrix.at(i, static_cast<int>(label)), correct, sizeof(T) == 8);
    const int64_t bin = find_bin(metrics.confidence, op_.bins);
    nll_.add(metrics.nll);
    brier_.add(metrics.brier);
    correct_ += correct;
    if (op_.columns > 0) {
      const int lanes = op_.columns / kWarps;  // the first `lanes` lanes of a warp own rows
      const int cell =
          static_cast<int>(bin) * op_.columns + threadIdx.x / kWarp * lanes + threadIdx.x % kWarp;
      Sum sum = Sum{sums_[cell], carries_[cell]};
      sum.add(metrics.confidence);
      sums_[cell] = sum.sum;
      carries_[cell] = sum.carry;
      // High half: number correct. Low half: count. With 8192 blocks both stay below 2^16.
      counts_[cell] += correct ? 0x10001u : 1u;
    } else {
      op_.out.cells[i] = static_cast<uint32_t>(2 * bin + correct);
      op_.out.confidence[i] = metrics.confidence;
    }
    if (op_.out.samples == nullptr) return;
    double* sample = op_.out.samples + i;
    sample[kConfidence * op_.rows] = metrics.confidence;
    sample[kTail * op_.rows] = metrics.tail;
    sample[kPrediction * op_.rows] = row.index;
    sample[kNll * op_.rows] = metrics.nll;
    sample[kBrier * op_.rows] = metrics.brier;
  }

  __device__ void finish() {
    const int bins = op_.columns > 0 ? op_.bins : 0;
    const Sum nll = block_total(nll_);
    const Sum brier = block_total(brier_);
    const double correct = block_total(static_cast<double>(correct_));
    if (threadIdx.x == 0) {
      write_sum(bins, 2, nll.sum);
      write_sum(bins, 3, nll.carry);
      write_sum(bins + 1, 0, correct);
      write_sum(bins + 1, 2, brier.sum);
      write_sum(bins + 1, 3, brier.carry);
    }
    // block_total synchronised the block, so the columns of all threads are visible. One warp per bin.
    const int lane = threadIdx.x % kWarp;
    for (int bin = threadIdx.x / kWarp; bin < bins; bin += kWarps) {
      Sum sum;
      unsigned count = 0;
      unsigned correct = 0;
      for (int cell = bin * op_.columns + lane; cell < (bin + 1) * op_.columns; cell += kWarp) {
        sum.add(Sum{sums_[cell], carries_[cell]});
        count += counts_[cell] & 0xffffu;
        correct += counts_[cell] >> 16;
      }
      sum = warp_total(sum);
      count = __reduce_add_sync(kAllLanes, count);
      correct = __reduce_add_sync(kAllLanes, correct);
      if (lane != 0) continue;
      write_sum(bin, 0, count);
      write_sum(bin, 1, correct);
      write_sum(bin, 2, sum.sum);
      write_sum(bin, 3, sum.carry);
    }
  }

 private:
  __device__ void write_sum(int row, int column, double value) const {
    op_.out.sums[(static_cast<int64_t>(row) * kStateColumns + column) * gridDim.x + blockIdx.x] = value;
  }

  const CalibrationOp& op_;
  double* sums_;  // [M, columns] each; shared memory
  double* carries_;
  uint32_t* counts_;
  Sum nll_;
  Sum brier_;
  unsigned correct_ = 0;
};

}  // namespace calibench
