// What calibration_stats does with a row that has been scanned: NLL, Brier and bin, added to the sums of its
// thread.
#pragma once

#include "../core/calibration_stats.h"
#include "calibration_stats.h"
#include "fault.h"
#include "find_bin.h"
#include "row_scan.h"
#include "total.h"

namespace calibench {

// Where each block leaves its sums: state row r, column c at sums[(r * 4 + c) * blocks + block].
struct CalibrationOutputs {
  double* sums;        // rows 0 .. M - 1 only with columns, then the two rows of totals
  uint32_t* cells;     // [N] bin * 2 + correct, or null with columns
  double* confidence;  // [N], or null with columns
  double* samples;     // [5, N], or null
  int64_t* fault;
};

struct Scored {
  double confidence;
  double tail;
  double nll;
  double brier;
};

// As core/row.h; `exact` is false where float32 was good enough for the scan, and is then for the logarithm
// too.
template <bool kProbs>
__device__ __forceinline__ Scored score(const RowScan& row, double truth, bool hit, bool exact) {
  Scored out;
  if (kProbs) {
    const double miss = 1.0 - truth;
    out.confidence = row.top;
    out.tail = row.top > 0.0 ? row.others / row.top : HUGE_VAL;
    out.nll = -log(truth > kProbabilityFloor ? truth : kProbabilityFloor);
    const double rest = fmax(row.squares - truth * truth, 0.0) + row.top * row.top;
    out.brier = miss * miss + (hit ? row.squares : rest);
    return out;
  }
  const double r = row.others;
  const double margin = row.top - truth;
  out.tail = r;
  out.confidence = 1.0 / (1.0 + r);
  out.nll = log_mass(r, exact) + margin;
  const double scale = out.confidence * out.confidence;
  if (hit) {
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
  int columns;  // threads that own rows, each with bins of its own; or 0: too many bins for that
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

  // Whether the confidence lies so near an interior edge that an error of 1e-6 could move it over.
  __device__ bool doubtful(const RowScan& row) const {
    if (kFromProbs) return false;
    const double at = op_.bins / (1.0 + row.others);
    const double edge = rint(at);
    return edge >= 1.0 && edge <= op_.bins - 1.0 && fabs(at - edge) <= 1e-6 * op_.bins;
  }

  template <typename T>
  __device__ void accept(const Matrix<T>& matrix, const RowScan& row, int64_t i, bool valid) {
    if (!valid) return;
    const int64_t label = op_.labels.at(i);
    const bool labelled = label >= 0 && label < matrix.classes;
    if (row.flags != 0 || !labelled) {
      report(op_.out.fault, i,
             row.flags & kInfinite ? RowStatus::kNonFinite
             : labelled            ? RowStatus::kProbability
                                   : RowStatus::kLabel);
      if (op_.columns == 0) op_.out.cells[i] = 0;  // the sort needs some number there
      return;
    }
    const bool hit = label == row.index;
    const Scored scored = score<kFromProbs>(row, matrix.at(i, static_cast<int>(label)), hit, sizeof(T) == 8);
    const int64_t bin = find_bin(scored.confidence, op_.bins);
    nll_.add(scored.nll);
    brier_.add(scored.brier);
    correct_ += hit;
    if (op_.columns > 0) {
      const int lanes = op_.columns / kWarps;  // of a warp, the first that many own rows
      const int cell =
          static_cast<int>(bin) * op_.columns + threadIdx.x / kWarp * lanes + threadIdx.x % kWarp;
      Sum all = make_sum(sums_[cell], carries_[cell]);
      all.add(scored.confidence);
      sums_[cell] = all.sum;
      carries_[cell] = all.carry;
      counts_[cell] += hit ? 0x10001u : 1u;  // correct above, count below: 8192 blocks keep both below 2^16
    } else {
      op_.out.cells[i] = static_cast<uint32_t>(2 * bin + hit);
      op_.out.confidence[i] = scored.confidence;
    }
    if (op_.out.samples == nullptr) return;
    double* sample = op_.out.samples + i;
    sample[kConfidence * op_.rows] = scored.confidence;
    sample[kTail * op_.rows] = scored.tail;
    sample[kPrediction * op_.rows] = row.index;
    sample[kNll * op_.rows] = scored.nll;
    sample[kBrier * op_.rows] = scored.brier;
  }

  __device__ void finish() {
    const int bins = op_.columns > 0 ? op_.bins : 0;
    const Sum nll = block_total(nll_);
    const Sum brier = block_total(brier_);
    const double correct = block_total(static_cast<double>(correct_));
    if (threadIdx.x == 0) {
      put(bins, 2, nll.sum);
      put(bins, 3, nll.carry);
      put(bins + 1, 0, correct);
      put(bins + 1, 2, brier.sum);
      put(bins + 1, 3, brier.carry);
    }
    // block_total has made every thread's columns visible. A warp a bin.
    const int lane = threadIdx.x % kWarp;
    for (int bin = threadIdx.x / kWarp; bin < bins; bin += kWarps) {
      Sum sum;
      unsigned count = 0;
      unsigned correct = 0;
      for (int cell = bin * op_.columns + lane; cell < (bin + 1) * op_.columns; cell += kWarp) {
        sum.add(make_sum(sums_[cell], carries_[cell]));
        count += counts_[cell] & 0xffffu;
        correct += counts_[cell] >> 16;
      }
      sum = warp_total(sum);
      count = __reduce_add_sync(kAllLanes, count);
      correct = __reduce_add_sync(kAllLanes, correct);
      if (lane != 0) continue;
      put(bin, 0, count);
      put(bin, 1, correct);
      put(bin, 2, sum.sum);
      put(bin, 3, sum.carry);
    }
  }

 private:
  __device__ void put(int row, int column, double value) const {
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
