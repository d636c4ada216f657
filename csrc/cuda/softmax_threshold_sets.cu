// softmax_threshold_sets on CUDA. Rows of up to 1024 scores: by lanes of a warp, read a second time out of
// the first-level cache. Longer ones: a block a row, read a second time out of the second-level cache.
#include "class_sets.h"
#include "fault.h"
#include "log_probability.h"
#include "row_plan.h"
#include "softmax_threshold_sets.h"

namespace calibench {
namespace {

struct SetsArgs {
  Thresholds thresholds;
  SetOutputs out;
  int64_t* fault;
};

template <typename T>
constexpr bool kFloat = sizeof(T) < 8;

struct Membership {
  unsigned inside = 0;
  unsigned open = 0;  // registers for which only the definition will do
};

// `valid`: registers that hold a score.
template <typename T>
__device__ __forceinline__ Membership compare(const Matrix<T>& matrix, const Stretch& part,
                                              const Group& group, const SetsArgs& args, const RowScan& row,
                                              unsigned valid) {
  Membership found{0, valid};
  const LogProbability log_probability(row);
  if constexpr (kFloat<T>) {
    if (log_probability.usable) {
      float x[kLaneScores];
      load(matrix, part, group, 0.0f, x);
      const bool shared = args.thresholds.count == 1;
      const Bounds common = args.thresholds.bounds[0];
#pragma unroll
      for (int q = 0; q < kLaneScores / kQuad; ++q) {
        if (!quad_used<T>(q, group, part.widest)) continue;
#pragma unroll
        for (int i = q * kQuad; i < (q + 1) * kQuad; ++i) {
          const float log_p = log_probability(x[i]);
          Bounds bounds = common;
          if (!shared)
            bounds =
                args.thresholds.bounds[valid >> i & 1 ? part.begin + place<T>(i, group, matrix.aligned) : 0];
          if (log_p > bounds.upper) found.inside |= 1u << i;
          if (log_p > bounds.upper || log_p < bounds.lower) found.open &= ~(1u << i);
        }
      }
      found.inside &= valid;
    }
  }
  return found;
}

// Asks the definition for the open registers, given the row in float64.
template <typename T>
__device__ __forceinline__ unsigned resolve(const Matrix<T>& matrix, const Stretch& part, const Group& group,
                                            const SetsArgs& args, const RowScan& row, Membership found) {
  for (unsigned open = found.open; open != 0; open &= open - 1) {
    const int j = part.begin + place<T>(__ffs(open) - 1, group, kFloat<T> && matrix.aligned);
    if (passes(args.thresholds, probability(matrix.at(part.row, j), row), j)) found.inside |= open & -open;
  }
  return found.inside;
}

template <typename T>
__device__ __forceinline__ Part scan_stretch(const Matrix<T>& matrix, const Stretch& part,
                                             const Group& group) {
  if constexpr (kFloat<T>) {
    float x[kLaneScores];
    load(matrix, part, group, -FLT_MAX, x);
    return scan_logits<false, T>(x, part, group, matrix.aligned);
  } else {
    return scan_float64<false>(matrix, part, group);
  }
}

// A step of a warp: a row a group.
template <typename T>
__device__ __forceinline__ void set_of_rows(const Matrix<T>& matrix, const Stretch& part, const Group& group,
                                            const SetsArgs& args) {
  const bool aligned = kFloat<T> && matrix.aligned;
  RowScan row = row_of<false, kFloat<T>>(scan_stretch(matrix, part, group));
  const unsigned valid = valid_registers<T>(part, group, aligned);
  Membership found = compare(matrix, part, group, args, row, valid);
  if constexpr (kFloat<T>) {
    if (row.flags & kUnsure) found = {0, valid};
    unsigned open = __ballot_sync(kAllLanes, found.open != 0 || (part.length > 0 && (row.flags & kUnsure)));
    while (open != 0) {  // a row at a time, by the whole warp
      const int lane = __ffs(open) - 1;
      const int owner = lane / group.lanes;
      const RowScan exact = row_float64<false>(matrix, __shfl_sync(kAllLanes, part.row, lane));
      if (group.index == owner) row = exact;
      const unsigned lanes = group.lanes == kWarp ? kAllLanes : (1u << group.lanes) - 1;
      open &= ~(lanes << (owner * group.lanes));
    }
  }
  const unsigned inside = resolve(matrix, part, group, args, row, found);
  __syncwarp();
  const unsigned size = group_sum(static_cast<unsigned>(__popc(inside)), group.lanes);
  if (part.length == 0) return;
  store_flags(inside, valid, matrix, part, group, args.out.sets);
  if (group.sub != 0) return;
  args.out.sizes[part.row] = size;
  if (row.flags != 0) report(args.fault, part.row, RowStatus::kNonFinite);
}

// kWhole: 32 lanes a row, known when this is compiled.
template <typename T, bool kWhole>
__global__ void __launch_bounds__(kThreads)
    resident_sets(Matrix<T> matrix, int lanes, int64_t per_warp, SetsArgs args) {
  const Group group(kWhole ? kWarp : lanes);
  const int groups_per_warp = kWarp / group.lanes;
  const int64_t warp = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  for (int64_t step = 0; step < per_warp; ++step) {
    const int64_t first = (warp * per_warp + step) * groups_per_warp;
    if (first >= matrix.rows) return;  // the whole warp
    const int64_t i = first + group.index;
    const bool exists = i < matrix.rows;
    set_of_rows(matrix, Stretch{exists ? i : 0, 0, exists ? matrix.classes : 0, matrix.classes}, group, args);
    __syncwarp();
  }
}

// Every warp puts the parts together for itself: the same order, so the same bits.
template <bool kFast, typename T>
__device__ __forceinline__ RowScan scan_block(const Matrix<T>& matrix, const RowPlan& plan, int64_t i,
                                              Part* parts) {
  const Group group(kWarp);
  for (int g = threadIdx.x / kWarp; g < plan.parts; g += kWarps) {
    const int begin = g * plan.part_length;
    const int length = min(plan.part_length, matrix.classes - begin);
    const Stretch part{i, begin, length, length};
    Part found;
    if constexpr (kFast) {
      found = scan_stretch(matrix, part, group);
    } else {
      found = scan_float64<false>(matrix, part, group);
    }
    if (group.sub == 0) parts[g] = found;
  }
  __syncthreads();
  const RowScan row = merge_parts<false, kFast>(parts, plan.parts, group);
  __syncthreads();  // before the parts are overwritten
  return row;
}

template <typename T>
__global__ void __launch_bounds__(kThreads) wide_sets(Matrix<T> matrix, RowPlan plan, SetsArgs args) {
  __shared__ unsigned warp_sums[kWarps];
  Part* parts = reinterpret_cast<Part*>(dynamic_shared());
  const Group group(kWarp);
  const bool aligned = kFloat<T> && matrix.aligned;
  for (int64_t i = blockIdx.x; i < matrix.rows; i += gridDim.x) {
    RowScan row = scan_block<kFloat<T>>(matrix, plan, i, parts);
    bool exact = !kFloat<T>;
    for (;;) {
      bool open = false;
      unsigned size = 0;
      for (int g = threadIdx.x / kWarp; g < plan.parts; g += kWarps) {
        const int begin = g * plan.part_length;
        const int length = min(plan.part_length, matrix.classes - begin);
        const Stretch part{i, begin, length, length};
        const unsigned valid = valid_registers<T>(part, group, aligned);
        Membership found = compare(matrix, part, group, args, row, valid);
        open = open || found.open != 0;
        const unsigned inside = exact ? resolve(matrix, part, group, args, row, found) : found.inside;
        store_flags(inside, valid, matrix, part, group, args.out.sets);
        size += __popc(inside);
        __syncwarp();
      }
      size = group_sum(size, kWarp);
      if (group.sub == 0) warp_sums[threadIdx.x / kWarp] = size;
      if (__syncthreads_or(!exact && (open || row.flags != 0)) == 0) break;
      row = scan_block<false>(matrix, plan, i, parts);
      exact = true;
    }
    if (threadIdx.x == 0) {
      int64_t size = 0;
      for (int warp = 0; warp < kWarps; ++warp) size += warp_sums[warp];
      args.out.sizes[i] = size;
      if (row.flags != 0) report(args.fault, i, RowStatus::kNonFinite);
    }
    __syncthreads();  // before of_warp is overwritten
  }
}

template <typename T>
cudaError_t run(const Matrix<T>& matrix, const SetsArgs& args, cudaStream_t stream) {
  const RowPlan plan = plan_rows(matrix.rows, matrix.classes);
  if (matrix.classes > kStretch) {
    const int64_t blocks = between(0, matrix.rows, kMaxBlocks);
    return launch(wide_sets<T>, blocks, kThreads, plan.parts * sizeof(Part), stream, matrix, plan, args);
  }
  const int lanes = plan.wide ? kWarp : plan.lanes;
  const WarpPlan warps = plan_warps(divide_up(matrix.rows, kWarp / lanes), kMaxBlocks);
  if (plan.wide)
    return launch(resident_sets<T, true>, warps.blocks, kThreads, 0, stream, matrix, lanes, warps.per_warp,
                  args);
  return launch(resident_sets<T, false>, warps.blocks, kThreads, 0, stream, matrix, lanes, warps.per_warp,
                args);
}

}  // namespace

cudaError_t softmax_sets(const Scores& scores, const Thresholds& thresholds, uint8_t* sets, int64_t* sizes,
                         int64_t* fault, cudaStream_t stream) {
  cudaError_t error = clear_fault(fault, stream);
  if (error != cudaSuccess) return error;
  error = prepare_softmax(thresholds, stream);
  if (error != cudaSuccess) return error;
  const SetsArgs args{thresholds, {sets, sizes}, fault};
  return for_type(scores, [&](const auto& matrix) { return run(matrix, args, stream); });
}

}  // namespace calibench
