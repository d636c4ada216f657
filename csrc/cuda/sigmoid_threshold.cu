// sigmoid_threshold on CUDA: compares each score with two bounds. Between the bounds the definition decides.
#include "class_sets.h"
#include "fault.h"
#include "row_plan.h"
#include "sigmoid_threshold.h"

namespace calibench {
namespace {

struct SigmoidArgs {
  Thresholds thresholds;
  SetOutputs out;
  int64_t* fault;
  int lanes;  // per group
  int parts;  // stretches per row; with several, the sizes are added by integer atomics
  int part_length;
  int64_t per_warp;  // consecutive stretches of a group
};

// Tests the registers in `open` by the definition, and returns those that
// pass. Clears `finite` if a score is not finite.
template <typename T>
__device__ __forceinline__ unsigned resolve(const Matrix<T>& matrix, const Stretch& stretch,
                                            const Group& group, const Thresholds& thresholds, bool aligned,
                                            unsigned open, bool* finite) {
  unsigned inside = 0;
  for (; open != 0; open &= open - 1) {
    const int j = stretch.begin + register_position<T>(__ffs(open) - 1, group, aligned);
    const double x = matrix.at(stretch.row, j);
    *finite = *finite && is_finite(x);
    if (passes(thresholds, 1.0 / (1.0 + exp(-x)), j)) inside |= open & -open;
  }
  return inside;
}

template <typename T>
__device__ __forceinline__ void write_set(const Matrix<T>& matrix, const Stretch& stretch, const Group& group,
                                          const SigmoidArgs& args) {
  constexpr bool kFloat = sizeof(T) < 8;
  const bool aligned = kFloat && matrix.aligned;
  const unsigned valid = valid_registers<T>(stretch, group, aligned);
  unsigned inside = 0;
  unsigned open = valid;
  bool finite = true;
  if constexpr (kFloat) {
    float x[kLaneScores];
    load(matrix, stretch, group, 0.0f, x);
    const bool shared = args.thresholds.count == 1;
    const Bounds common = args.thresholds.bounds[0];
    float bad = 0.0f;
#pragma unroll
    for (int q = 0; q < kLaneScores / kQuad; ++q) {
      if (!quad_used<T>(q, group, stretch.widest)) continue;
#pragma unroll
      for (int i = q * kQuad; i < (q + 1) * kQuad; ++i) {
        bad = __fmaf_rn(x[i], 0.0f, bad);  // NaN if a score is not finite
        Bounds bounds = common;
        if (!shared)
          bounds = args.thresholds
                       .bounds[valid >> i & 1 ? stretch.begin + register_position<T>(i, group, aligned) : 0];
        if (x[i] > bounds.upper) inside |= 1u << i;
        if (x[i] > bounds.upper || x[i] < bounds.lower) open &= ~(1u << i);
      }
    }
    inside &= valid;
    finite = bad == 0.0f;
  }
  inside |= resolve(matrix, stretch, group, args.thresholds, aligned, open, &finite);
  __syncwarp();
  const unsigned size = group_sum(static_cast<unsigned>(__popc(inside)), group.lanes);
  if (stretch.length == 0) return;
  store_set(inside, valid, matrix, stretch, group, args.out.sets);
  if (!finite) report(args.fault, stretch.row, RowStatus::kNonFinite);
  if (group.sub != 0) return;
  if (args.parts == 1) {
    args.out.sizes[stretch.row] = size;
  } else {
    atomicAdd(reinterpret_cast<unsigned long long*>(args.out.sizes + stretch.row),
              static_cast<unsigned long long>(size));
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads) sigmoid_rows(Matrix<T> matrix, SigmoidArgs args) {
  const Group group(args.lanes);
  const int groups_per_warp = kWarp / args.lanes;
  const int64_t tasks = matrix.rows * args.parts;
  const int64_t warp = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  for (int64_t step = 0; step < args.per_warp; ++step) {
    const int64_t first = (warp * args.per_warp + step) * groups_per_warp;
    if (first >= tasks) return;  // the whole warp
    const int64_t task = first + group.index;
    const bool exists = task < tasks;
    const int64_t row = exists ? task / args.parts : 0;
    const int begin = exists ? static_cast<int>(task % args.parts) * args.part_length : 0;
    const int length = exists ? min(args.part_length, matrix.classes - begin) : 0;
    write_set(matrix, Stretch{row, begin, length, args.part_length}, group, args);
    __syncwarp();
  }
}

__global__ void clear_sizes(int64_t* sizes, int64_t rows) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < rows) sizes[i] = 0;
}

template <typename T>
cudaError_t run(const Matrix<T>& matrix, const SigmoidArgs& args, int64_t blocks, cudaStream_t stream) {
  return launch(sigmoid_rows<T>, blocks, kThreads, 0, stream, matrix, args);
}

}  // namespace

cudaError_t sigmoid_sets(const Scores& scores, const Thresholds& thresholds, uint8_t* sets, int64_t* sizes,
                         int64_t* fault, cudaStream_t stream) {
  cudaError_t error = clear_fault(fault, stream);
  if (error != cudaSuccess) return error;
  error = prepare_sigmoid(thresholds, stream);
  if (error != cudaSuccess) return error;
  const RowPlan plan = plan_rows(scores.rows, scores.classes);
  SigmoidArgs args{
      thresholds, {sets, sizes}, fault, plan.wide ? kWarp : plan.lanes, 1, static_cast<int>(scores.classes),
      0};
  if (plan.wide) {
    args.parts = plan.parts;
    args.part_length = plan.part_length;
  }
  const WarpPlan warps = plan_warps(divide_up(scores.rows * args.parts, kWarp / args.lanes), kMaxBlocks);
  args.per_warp = warps.per_warp;
  if (args.parts > 1) {
    error = launch(clear_sizes, divide_up(scores.rows, kThreads), kThreads, 0, stream, sizes, scores.rows);
    if (error != cudaSuccess) return error;
  }
  return for_type(scores, [&](const auto& matrix) { return run(matrix, args, warps.blocks, stream); });
}

}  // namespace calibench
