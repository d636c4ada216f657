// softmax_threshold on CUDA: tests the confidence of the argmax. If it fails and thresholds differ between
// classes, a warp searches the row for the largest score that passes.
#include "fault.h"
#include "log_probability.h"
#include "scan_rows.h"
#include "softmax_threshold.h"

namespace calibench {
namespace {

// The largest score that passes, with the lowest index on ties; index is -1 if none passes.
struct Best {
  double score = -HUGE_VAL;
  int index = -1;
};

struct DecideOp {
  static constexpr bool kProbs = false;
  static constexpr bool kSquares = false;
  static constexpr bool kFast = true;

  Thresholds thresholds;
  int64_t* prediction;
  double* confidence;
  int64_t* fault;

  size_t shared_bytes() const { return 0; }

  class Worker {
   public:
    __device__ Worker(const DecideOp& op, unsigned char*) : op_(op) {}

    __device__ bool needs_float64(const RowScan& row) const {
      const double t = op_.thresholds.values[row.index * op_.thresholds.stride];
      return fabs(1.0 / (1.0 + row.others) - t) <= 1e-6;
    }

    template <typename T>
    __device__ void accept(const Matrix<T>& matrix, const RowScan& row, int64_t i, bool valid) {
      const bool finite = valid && row.flags == 0;
      if (valid && !finite) report(op_.fault, i, RowStatus::kNonFinite);
      double confidence = 1.0 / (1.0 + row.others);
      const bool argmax_passes = finite && passes(op_.thresholds, confidence, row.index);
      int64_t prediction = argmax_passes ? static_cast<int64_t>(row.index) : -1;
      if (op_.thresholds.count > 1) {
        const bool may_pass =
            finite && !argmax_passes && confidence * (1.0 + 1e-6) >= *op_.thresholds.smallest;
        for (unsigned open = __ballot_sync(kAllLanes, may_pass); open != 0; open &= open - 1) {
          const int owner = __ffs(open) - 1;
          RowScan scan = row;
          scan.top = __shfl_sync(kAllLanes, row.top, owner);
          scan.others = __shfl_sync(kAllLanes, row.others, owner);
          const Best best = search_row(matrix, &scan, __shfl_sync(kAllLanes, i, owner));
          if (static_cast<int>(threadIdx.x % kWarp) != owner) continue;
          prediction = best.index;
          confidence = best.index < 0 ? 1.0 / (1.0 + scan.others) : probability(best.score, scan);
        }
        __syncwarp();
      }
      if (!valid) return;
      op_.prediction[i] = prediction;
      op_.confidence[i] = confidence;
    }

    __device__ void finish() const {}

   private:
    // Called by a whole warp. If float32 is not precise enough, the row is scanned
    // again in float64 and the definition decides.
    template <typename T>
    __device__ Best search_row(const Matrix<T>& matrix, RowScan* row, int64_t i) const {
      bool unsure = false;
      Best best = search(matrix, *row, i, sizeof(T) == 8, &unsure);
      if (__any_sync(kAllLanes, unsure)) {
        *row = row_float64<false>(matrix, i);
        best = search(matrix, *row, i, true, &unsure);
      }
      const double score = group_max(best.score, kWarp);
      const bool is_best = best.index >= 0 && best.score == score;
      const unsigned index = group_min(is_best ? static_cast<unsigned>(best.index) : 0xffffffffu, kWarp);
      return {score, static_cast<int>(index)};
    }

    template <typename T>
    __device__ Best search(const Matrix<T>& matrix, const RowScan& row, int64_t i, bool exact,
                           bool* unsure) const {
      const LogProbability log_probability(row);
      const bool fast = sizeof(T) < 8 && log_probability.usable;
      Best best;
      for (int j = threadIdx.x % kWarp; j < matrix.classes; j += kWarp) {
        const double x = matrix.at(i, j);
        const Bounds bounds = op_.thresholds.bounds[j];
        const float log_p = log_probability(static_cast<float>(x));
        if (x <= best.score || (fast && log_p < bounds.lower)) continue;
        if (!(fast && log_p > bounds.upper)) {
          *unsure = true;
          if (!exact || !passes(op_.thresholds, probability(x, row), j)) continue;
        }
        best.score = x;
        best.index = j;
      }
      __syncwarp();
      return best;
    }

    const DecideOp& op_;
  };
};

}  // namespace

cudaError_t decide(const Scores& scores, const Thresholds& thresholds, int64_t* prediction,
                   double* confidence, int64_t* fault, cudaStream_t stream) {
  cudaError_t error = clear_fault(fault, stream);
  if (error != cudaSuccess) return error;
  error = prepare_softmax(thresholds, stream);
  if (error != cudaSuccess) return error;
  const DecideOp op{thresholds, prediction, confidence, fault};
  // Rows that are searched again should still be in a cache, so fewer are processed together.
  const RowPlan plan = plan_rows(scores.rows, scores.classes, thresholds.count > 1 ? 16 : kWideOwners);
  return for_type(scores, [&](const auto& matrix) { return scan_rows(matrix, plan, op, stream); });
}

}  // namespace calibench
