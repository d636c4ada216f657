// softmax_threshold_sets on CUDA. Lanes of a warp share a row of up to 1024 scores, and
// read it a second time from the first-level cache. A block takes a longer row, and reads
// it a second time from the second-level cache.
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

// The classes in the registers of a lane, one bit each.
struct Membership {
  unsigned inside = 0;  // classes that pass
  unsigned open = 0;    // classes that only the definition can decide
};

// Compares the registers in `valid`, which contain a score, with the bounds of their thresholds.
template <typename T>
__device__ __forceinline__ Membership compare(const Matrix<T>& matrix, const Stretch& stretch,
                                              const Group& group, const SetsArgs& args, const RowScan& row,
                                              unsigned valid) {
  Membership membership{0, valid};
  const LogProbability log_probability(row);
  if constexpr (kFloat<T>) {
    if (log_probability.usable) {
      float x[kLaneScores];
      load(matrix, stretch, group, 0.0f, x);
      const bool shared = args.thresholds.count == 1;
      const Bounds common = args.thresholds.bounds[0];
#pragma unroll
      for (int q = 0; q < kLaneScores / kQuad; ++q) {
        if (!quad_used<T>(q, group, stretch.widest)) continue;
#pragma unroll
        for (int i = q * kQuad; i < (q + 1) * kQuad; ++i) {
          const float log_p = log_probability(x[i]);
          Bounds bounds = common;
          if (!shared)
            bounds =
                args.thresholds
                    .bounds[valid >> i & 1 ? stretch.begin + register_position<T>(i, group, matrix.aligned)
                                           : 0];
          if (log_p > bounds.upper) membership.inside |= 1u << i;
          if (log_p > bounds.upper || log_p < bounds.lower) membership.open &= ~(1u << i);
        }
      }
      membership.inside &= valid;
    }
  }
  return membership;
}

// Decides the open registers by the definition. `row` is scanned in float64. Returns the registers that pass.
template <typename T>
__device__ __forceinline__ unsigned resolve(const Matrix<T>& matrix, const Stretch& stretch,
                                            const Group& group, const SetsArgs& args, const RowScan& row,
                                            Membership membership) {
  for (unsigned open = membership.open; open != 0; open &= open - 1) {
    const int j = stretch.begin + register_position<T>(__ffs(open) - 1, group, kFloat<T> && matrix.aligned);
    if (passes(args.thresholds, probability(matrix.at(stretch.row, j), row), j))
      membership.inside |= open & -open;
  }
  return membership.inside;
}

template <typename T>
__device__ __forceinline__ Part scan_stretch(const Matrix<T>& matrix, const Stretch& stretch,
                                             const Group& group) {
  if constexpr (kFloat<T>) {
    float x[kLaneScores];
    load(matrix, stretch, group, -FLT_MAX, x);
    return scan_logits<false, T>(x, stretch, group, matrix.aligned);
  } else {
    return scan_float64<false>(matrix, stretch, group);
  }
}

// One step of a warp: one row per group.
template <typename T>
__device__ __forceinline__ void write_sets(const Matrix<T>& matrix, const Stretch& stretch,
                                           const Group& group, const SetsArgs& args) {
  const bool aligned = kFloat<T> && matrix.aligned;
  RowScan row = row_of<false, kFloat<T>>(scan_stretch(matrix, stretch, group));
  const unsigned valid = valid_registers<T>(stretch, group, aligned);
  Membership membership = compare(matrix, stretch, group, args, row, valid);
  if constexpr (kFloat<T>) {
    if (row.flags & kUnsure) membership = {0, valid};
    unsigned open =
        __ballot_sync(kAllLanes, membership.open != 0 || (stretch.length > 0 && (row.flags & kUnsure)));
    while (open != 0) {  // one row at a time, with the whole warp
      const int lane = __ffs(open) - 1;
      const int owner = lane / group.lanes;
      const RowScan exact = row_float64<false>(matrix, __shfl_sync(kAllLanes, stretch.row, lane));
      if (group.index == owner) row = exact;
      const unsigned lanes = group.lanes == kWarp ? kAllLanes : (1u << group.lanes) - 1;
      open &= ~(lanes << (owner * group.lanes));
    }
  }
  const unsigned inside = resolve(matrix, stretch, group, args, row, membership);
  __syncwarp();
  const unsigned size = group_sum(static_cast<unsigned>(__popc(inside)), group.lanes);
  if (stretch.length == 0) return;
  store_set(inside, valid, matrix, stretch, group, args.out.sets);
  if (group.sub != 0) return;
  args.out.sizes[stretch.row] = size;
  if (row.flags != 0) report(args.fault, stretch.row, RowStatus::kNonFinite);
}

// Rows of up to 1024 classes. kWhole: 32 lanes share a row, and the compiler knows it.
template <typename T, bool kWhole>
__global__ void __launch_bounds__(kThreads)
    resident_sets(Matrix<T> matrix, int lanes, int64_t per_warp, SetsArgs args) {
  const Group group(kWhole ? kWarp : lanes);
  for_each_row(matrix, group, per_warp,
               [&](const Stretch& stretch) { write_sets(matrix, stretch, group, args); });
}

// Scans row i with the whole block. Every warp merges all parts by itself,
// in the same order, so all get the same bits.
template <bool kFast, typename T>
__device__ __forceinline__ RowScan scan_block(const Matrix<T>& matrix, const RowPlan& plan, int64_t i,
                                              Part* parts) {
  const Group group(kWarp);
  for (int g = threadIdx.x / kWarp; g < plan.parts; g += kWarps) {
    const Stretch stretch = stretch_of(matrix, plan, i, g);
    Part part;
    if constexpr (kFast) {
      part = scan_stretch(matrix, stretch, group);
    } else {
      part = scan_float64<false>(matrix, stretch, group);
    }
    if (group.sub == 0) parts[g] = part;
  }
  __syncthreads();
  const RowScan row = merge_parts<false, kFast>(parts, plan.parts, group);
  __syncthreads();  // before the parts are overwritten
  return row;
}

// Rows of more than 1024 classes, one block per row.
template <typename T>
__global__ void __launch_bounds__(kThreads) wide_sets(Matrix<T> matrix, RowPlan plan, SetsArgs args) {
  __shared__ unsigned warp_sizes[kWarps];
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
        const Stretch stretch = stretch_of(matrix, plan, i, g);
        const unsigned valid = valid_registers<T>(stretch, group, aligned);
        Membership membership = compare(matrix, stretch, group, args, row, valid);
        open = open || membership.open != 0;
        const unsigned inside =
            exact ? resolve(matrix, stretch, group, args, row, membership) : membership.inside;
        store_set(inside, valid, matrix, stretch, group, args.out.sets);
        size += __popc(inside);
        __syncwarp();
      }
      size = group_sum(size, kWarp);
      if (group.sub == 0) warp_sizes[threadIdx.x / kWarp] = size;
      if (__syncthreads_or(!exact && (open || row.flags != 0)) == 0) break;
      row = scan_block<false>(matrix, plan, i, parts);
      exact = true;
    }
    if (threadIdx.x == 0) {
      int64_t size = 0;
      for (int warp = 0; warp < kWarps; ++warp) size += warp_sizes[warp];
      args.out.sizes[i] = size;
      if (row.flags != 0) report(args.fault, i, RowStatus::kNonFinite);
    }
    __syncthreads();  // before warp_sizes is overwritten
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
