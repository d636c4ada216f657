// Two kernels that compute the RowScan of every row and pass it to the worker of an operator.
//
// Narrow rows (K <= 512): L < 32 lanes share a row that stays in registers. After up to L rows each lane owns
// one, and the expensive end of a row (division, logarithm, bin) is computed for 32 rows at once. Wide rows:
// the warps of a block scan stretches of at most 1024 scores of some rows and write the parts to shared
// memory. Then each warp owns a quarter of the rows.
//
// An operator is a struct of arguments with:
// - kProbs: scan probabilities, not logits
// - kSquares: sum squares too
// - kFast: scan float32 and narrower scores in float32
// - Worker(op, shared): the state of a thread; `shared` is block memory of op.shared_bytes() bytes
// - Worker::needs_float64(scan): true if a scan in float32 is not precise enough
// - Worker::accept(matrix, scan, row, valid): called by all lanes of a warp; a lane has a row if `valid`
// - Worker::finish(): called by all threads of a block together
#pragma once

#include "row_plan.h"
#include "row_scan.h"

namespace calibench {

template <typename T, typename Op>
constexpr bool kScansFast = Op::kFast && sizeof(T) < 8;

template <typename Op, typename T>
__device__ __forceinline__ Part scan_part(const Matrix<T>& matrix, const Stretch& stretch,
                                          const Group& group) {
  if constexpr (kScansFast<T, Op>) {
    float x[kLaneScores];
    load(matrix, stretch, group, Op::kProbs ? 0.0f : -FLT_MAX, x);
    if constexpr (Op::kProbs) {
      return scan_probabilities<Op::kSquares, T>(x, stretch, group, matrix.aligned);
    } else {
      return scan_logits<Op::kSquares, T>(x, stretch, group, matrix.aligned);
    }
  } else {
    return scan_float64<Op::kProbs>(matrix, stretch, group);
  }
}

// Scans again in float64, one warp per row, the rows that float32 cannot decide.
// Then every lane passes its row to the worker.
template <typename Op, typename T>
__device__ __forceinline__ void resolve_and_accept(typename Op::Worker& worker, const Matrix<T>& matrix,
                                                   RowScan scan, int64_t row, bool valid) {
  if constexpr (kScansFast<T, Op>) {
    unsigned open = __ballot_sync(kAllLanes, valid && ((scan.flags & kUnsure) || worker.needs_float64(scan)));
    for (; open != 0; open &= open - 1) {
      const int owner = __ffs(open) - 1;
      const RowScan exact = row_float64<Op::kProbs>(matrix, __shfl_sync(kAllLanes, row, owner));
      if (static_cast<int>(threadIdx.x % kWarp) == owner) scan = exact;
    }
  }
  worker.accept(matrix, scan, row, valid);
}

template <typename T, typename Op>
__global__ void __launch_bounds__(kThreads) narrow_rows(Matrix<T> matrix, RowPlan plan, Op op) {
  typename Op::Worker worker(op, dynamic_shared());
  const Group group(plan.lanes);
  const int groups_per_warp = kWarp / plan.lanes;
  const int64_t first_batch = blockIdx.x * plan.per_block;
  for (int64_t batch = first_batch; batch < first_batch + plan.per_block; ++batch) {
    const int64_t first = (batch * kWarps + threadIdx.x / kWarp) * plan.steps * groups_per_warp;
    if (first >= matrix.rows) break;
    Part owned_part;
    for (int step = 0; step < plan.steps; ++step) {
      const int64_t row = first + step * groups_per_warp + group.index;
      const bool exists = row < matrix.rows;
      const Stretch stretch{exists ? row : 0, 0, exists ? matrix.classes : 0, matrix.classes};
      const Part part = scan_part<Op>(matrix, stretch, group);
      if (step == group.sub) owned_part = part;
    }
    const int64_t row = first + group.sub * groups_per_warp + group.index;
    const bool valid = group.sub < plan.steps && row < matrix.rows;
    resolve_and_accept<Op>(worker, matrix, row_of<Op::kProbs, kScansFast<T, Op>>(owned_part), row, valid);
  }
  worker.finish();
}

template <typename T, typename Op>
__global__ void __launch_bounds__(kThreads) wide_rows(Matrix<T> matrix, RowPlan plan, Op op) {
  constexpr bool kFast = kScansFast<T, Op>;
  Part* parts = reinterpret_cast<Part*>(dynamic_shared());
  RowScan* scans = reinterpret_cast<RowScan*>(parts + plan.rows_per_block * plan.parts);
  typename Op::Worker worker(op, reinterpret_cast<unsigned char*>(scans + plan.rows_per_block));
  const int warp = threadIdx.x / kWarp;
  const int lane = threadIdx.x % kWarp;
  const Group warp_group(kWarp);
  int lanes = 1;
  while (lanes < plan.parts && lanes < kWarp) lanes *= 2;
  const Group merge_group(lanes);

  const int64_t first_batch = blockIdx.x * plan.per_block;
  for (int64_t batch = first_batch; batch < first_batch + plan.per_block && batch < plan.batches; ++batch) {
    const int64_t first = batch * plan.rows_per_block;
    const int rows = static_cast<int>(min(static_cast<int64_t>(plan.rows_per_block), matrix.rows - first));
    int r = warp / plan.parts;
    int g = warp % plan.parts;
    while (r < rows) {
      const Part part = scan_part<Op>(matrix, stretch_of(matrix, plan, first + r, g), warp_group);
      if (lane == 0) parts[r * plan.parts + g] = part;
      for (g += kWarps; g >= plan.parts; g -= plan.parts) ++r;
    }
    __syncthreads();
    // Row i of this warp is row i * kWarps + warp of the batch. A
    // group of lanes merges it, and lane i owns it.
    const int owned_rows = (rows - warp + kWarps - 1) / kWarps;
    for (int start = 0; start < owned_rows; start += kWarp / lanes) {
      const int i = start + merge_group.index;
      r = i * kWarps + warp;
      const RowScan scan = merge_parts<Op::kProbs, kFast>(parts + r * plan.parts,
                                                          i < owned_rows ? plan.parts : 0, merge_group);
      if (i < owned_rows && merge_group.sub == 0) scans[r] = scan;
    }
    __syncwarp();
    r = lane * kWarps + warp;
    resolve_and_accept<Op>(worker, matrix, lane < owned_rows ? scans[r] : RowScan{}, first + r,
                           lane < owned_rows);
    __syncthreads();  // before the parts are overwritten
  }
  worker.finish();
}

// Scans all rows of `matrix` and passes them to the workers of `op`.
template <typename T, typename Op>
cudaError_t scan_rows(const Matrix<T>& matrix, const RowPlan& plan, const Op& op, cudaStream_t stream) {
  if (!plan.wide)
    return launch(narrow_rows<T, Op>, plan.blocks, kThreads, op.shared_bytes(), stream, matrix, plan, op);
  const size_t scan_bytes = plan.rows_per_block * (plan.parts * sizeof(Part) + sizeof(RowScan));
  return launch(wide_rows<T, Op>, plan.blocks, kThreads, scan_bytes + op.shared_bytes(), stream, matrix, plan,
                op);
}

}  // namespace calibench
