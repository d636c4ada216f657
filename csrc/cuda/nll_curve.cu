// nll_curve on CUDA: computes every temperature while the row is in registers (K <= 1024), or in a cache with
// one block per row.
#include "curve_totals.h"
#include "fault.h"
#include "nll_curve.h"
#include "row_plan.h"

namespace calibench {
namespace {

constexpr int kCurveBlocks = 4096;

// Sets `distance` to the score of the label minus the top and returns true. For a bad row it returns false,
// and reports the row if `reports`.
template <typename T>
__device__ __forceinline__ bool label_distance(const Matrix<T>& matrix, const CurveArgs& args, int64_t row,
                                               bool finite, double top, bool reports, double* distance) {
  const int64_t label = args.labels.at(row);
  const bool label_valid = label >= 0 && label < matrix.classes;
  if (!finite || !label_valid) {
    if (reports) report(args.fault, row, finite ? RowStatus::kLabel : RowStatus::kNonFinite);
    return false;
  }
  *distance = matrix.at(row, static_cast<int>(label)) - top;
  return true;
}

// The top of a stretch or row. There is no rounding error, in float32 either.
struct RowTop {
  double top = -HUGE_VAL;
  float second = -FLT_MAX;  // the largest score below top; unused for float64 scores
  unsigned ties = 0;        // number of scores equal to top
  bool finite = true;
};

// Finds the top of a stretch. Leaves float32 scores in x, with scores equal to the top replaced by -FLT_MAX.
template <typename T>
__device__ __forceinline__ RowTop find_row_top(const Matrix<T>& matrix, const Stretch& stretch,
                                               const Group& group, float (&x)[kLaneScores]) {
  RowTop out;
  if constexpr (sizeof(T) < 8) {
    load(matrix, stretch, group, -FLT_MAX, x);
    float bad = 0.0f;
#pragma unroll
    for (int i = 0; i < kLaneScores; ++i) bad = __fmaf_rn(x[i], 0.0f, bad);
    const TopScores top_scores = take_top<T>(x, stretch, group, matrix.aligned, -FLT_MAX);
    out.top = top_scores.top;
    out.second = top_scores.second;
    out.ties = top_scores.ties;
    out.finite = group_or(bad == 0.0f ? 0u : 1u, group.lanes) == 0;
  } else {
    const Part part = find_top_float64<false>(matrix, stretch, group);
    out.top = part.top;
    out.ties = part.ties;
    out.finite = part.flags == 0;
  }
  return out;
}

// One step of a warp: one row per group. Lane `sub` of a group finishes temperatures sub, sub + L, ...
template <typename T>
__device__ __forceinline__ void curve_of_rows(const Matrix<T>& matrix, const Stretch& stretch,
                                              const Group& group, const CurveArgs& args,
                                              CurveTotals* shared) {
  float x[kLaneScores];
  const RowTop row = find_row_top(matrix, stretch, group, x);
  double d_label = 0.0;
  const bool valid = stretch.length > 0 &&
                     label_distance(matrix, args, stretch.row, row.finite, row.top, group.sub == 0, &d_label);
  const bool fast = sizeof(T) < 8 && fabs(row.top) <= shared->far;
  for (int start = 0; start < args.points; start += group.lanes) {
    Moments lane_moments;
    double lane_unit = 1.0;
    for (int t = start; t < min(start + group.lanes, args.points); ++t) {
      const InverseTemperature temperature = shared->temperatures[t];
      Moments moments;
      double unit = 1.0;
      if constexpr (sizeof(T) < 8) {
        const float base = whole_exponent(row.second, temperature.high, temperature.far);
        moments = fast_moments<T>(x, stretch, group, temperature, row.top, base);
        unit = exp2(base - row.top * temperature.b * kLog2E);
      }
      if (sizeof(T) == 8 || __any_sync(kAllLanes, valid && !fast)) {
        const Moments exact = exact_moments(matrix, stretch, group, temperature.b, row.top);
        if (!fast) {
          moments = exact;
          unit = 1.0;
        }
      }
      moments = group_sum(moments, group.lanes);
      if (t - start == group.sub) {
        lane_moments = moments;
        lane_unit = unit;
      }
    }
    const int t = start + group.sub;
    CurvePoint point;
    if (valid && t < args.points) {
      const double b = shared->temperatures[t].b;
      point = curve_point(lane_moments, lane_unit, row.ties, d_label, b, sizeof(T) == 8);
    }
    __syncwarp();
    for (int step = group.lanes; step < kWarp; step *= 2) {  // sums over the rows of the warp
      point.nll += __shfl_xor_sync(kAllLanes, point.nll, step);
      point.slope += __shfl_xor_sync(kAllLanes, point.slope, step);
      point.curvature += __shfl_xor_sync(kAllLanes, point.curvature, step);
    }
    if (group.index == 0 && t < args.points) shared->add(t, point);
  }
}

// Rows of up to 1024 classes, which stay in registers. kWhole: 32
// lanes share a row, and the compiler knows it.
template <typename T, bool kWhole>
__global__ void __launch_bounds__(kThreads)
    resident_curve(Matrix<T> matrix, int lanes, int64_t per_warp, CurveArgs args) {
  CurveTotals* shared = shared_totals();
  shared->begin(args);
  const Group group(kWhole ? kWarp : lanes);
  for_each_row(matrix, group, per_warp,
               [&](const Stretch& stretch) { curve_of_rows(matrix, stretch, group, args, shared); });
  shared->finish(args);
}

__device__ __forceinline__ void merge(RowTop* row, const RowTop& stretch) {
  if (stretch.top > row->top) {
    row->second = fmaxf(stretch.second, static_cast<float>(row->top));
    row->top = stretch.top;
    row->ties = stretch.ties;
  } else if (stretch.top == row->top) {
    row->ties += stretch.ties;
    row->second = fmaxf(row->second, stretch.second);
  } else {
    row->second = fmaxf(row->second, static_cast<float>(stretch.top));
  }
  row->finite = row->finite && stretch.finite;
}

// The top of row i. The warps of the block share its stretches; every thread gets the result.
template <typename T>
__device__ __forceinline__ RowTop find_wide_row_top(const Matrix<T>& matrix, const RowPlan& plan, int64_t i,
                                                    const Group& group) {
  __shared__ double tops[kWarps];
  __shared__ float seconds[kWarps];
  __shared__ unsigned ties[kWarps];
  __shared__ bool finites[kWarps];
  const int warp = threadIdx.x / kWarp;
  float x[kLaneScores];
  RowTop row;
  for (int g = warp; g < plan.parts; g += kWarps) {
    merge(&row, find_row_top(matrix, stretch_of(matrix, plan, i, g), group, x));
  }
  if (group.sub == 0) {
    tops[warp] = row.top;
    seconds[warp] = row.second;
    ties[warp] = row.ties;
    finites[warp] = row.finite;
  }
  __syncthreads();
  row = RowTop{};
  for (int w = 0; w < kWarps; ++w) merge(&row, RowTop{tops[w], seconds[w], ties[w], finites[w]});
  return row;
}

// The moments of row i over the stretches of this warp. Lane t gets those of temperature t.
template <typename T>
__device__ __forceinline__ Moments warp_moments(const Matrix<T>& matrix, const RowPlan& plan, int64_t i,
                                                const Group& group, const RowTop& row, int points,
                                                const CurveTotals& shared, bool fast) {
  float x[kLaneScores];
  Moments lane_moments;
  for (int g = threadIdx.x / kWarp; g < plan.parts; g += kWarps) {
    const Stretch stretch = stretch_of(matrix, plan, i, g);
    if constexpr (sizeof(T) < 8) {
      load(matrix, stretch, group, -FLT_MAX, x);
#pragma unroll
      for (int j = 0; j < kLaneScores; ++j) {
        if (x[j] == static_cast<float>(row.top)) x[j] = -FLT_MAX;
      }
    }
    for (int t = 0; t < points; ++t) {
      const InverseTemperature temperature = shared.temperatures[t];
      Moments moments;
      if constexpr (sizeof(T) < 8) {
        if (fast) {
          const float base = whole_exponent(row.second, temperature.high, temperature.far);
          moments = fast_moments<T>(x, stretch, group, temperature, row.top, base);
        }
      }
      if (!fast) moments = exact_moments(matrix, stretch, group, temperature.b, row.top);
      moments = group_sum(moments, kWarp);
      if (t == group.sub) {
        lane_moments = {lane_moments.mass + moments.mass, lane_moments.first + moments.first,
                        lane_moments.second + moments.second};
      }
    }
  }
  return lane_moments;
}

// Rows of more than 1024 classes, one block per row.
template <typename T>
__global__ void __launch_bounds__(kThreads) wide_curve(Matrix<T> matrix, RowPlan plan, CurveArgs args) {
  __shared__ double moments[kWarps][kMaxPoints][3];
  CurveTotals* shared = shared_totals();
  shared->begin(args);
  const Group group(kWarp);
  const int warp = threadIdx.x / kWarp;
  for (int64_t i = blockIdx.x; i < matrix.rows; i += gridDim.x) {
    const RowTop row = find_wide_row_top(matrix, plan, i, group);
    double d_label = 0.0;
    const bool valid = label_distance(matrix, args, i, row.finite, row.top, threadIdx.x == 0, &d_label);
    const bool fast = sizeof(T) < 8 && fabs(row.top) <= shared->far;
    Moments lane_moments;
    if (valid) lane_moments = warp_moments(matrix, plan, i, group, row, args.points, *shared, fast);
    moments[warp][group.sub][0] = lane_moments.mass;
    moments[warp][group.sub][1] = lane_moments.first;
    moments[warp][group.sub][2] = lane_moments.second;
    __syncthreads();
    if (valid && warp == 0 && group.sub < args.points) {
      Moments sum;
      for (int w = 0; w < kWarps; ++w) {
        const double* part = moments[w][group.sub];
        sum = {sum.mass + part[0], sum.first + part[1], sum.second + part[2]};
      }
      const InverseTemperature temperature = shared->temperatures[group.sub];
      const float base = whole_exponent(row.second, temperature.high, temperature.far);
      const double unit = fast ? exp2(base - row.top * temperature.b * kLog2E) : 1.0;
      shared->add(group.sub, curve_point(sum, unit, row.ties, d_label, temperature.b, sizeof(T) == 8));
    }
    __syncthreads();  // before anything shared is overwritten
  }
  shared->finish(args);
}

// Adds up the sums of the blocks, with one block per curve and temperature.
__global__ void __launch_bounds__(kThreads) add_curves(const double* sums, int64_t blocks, int points,
                                                       int64_t first, int64_t all_points, double* curve) {
  const double* point_sums = sums + static_cast<int64_t>(blockIdx.x) * 2 * blocks;
  const Sum total = grid_total(point_sums, point_sums + blocks, blocks);
  if (threadIdx.x != 0) return;
  curve[blockIdx.x / points * all_points + first + blockIdx.x % points] = total.value();
}

struct CurvePlan {
  RowPlan rows;
  bool wide;
  int lanes;
  WarpPlan warps;

  explicit CurvePlan(const Scores& scores) : rows(plan_rows(scores.rows, scores.classes)) {
    wide = scores.classes > kStretch;
    lanes = rows.wide ? kWarp : rows.lanes;
    const int64_t steps = wide ? scores.rows * kWarps : divide_up(scores.rows, kWarp / lanes);
    warps = plan_warps(steps, kCurveBlocks);
  }
};

template <typename T>
cudaError_t run(const Matrix<T>& matrix, const CurvePlan& plan, const CurveArgs& args, cudaStream_t stream) {
  if (plan.wide)
    return launch(wide_curve<T>, plan.warps.blocks, kThreads, 0, stream, matrix, plan.rows, args);
  if (plan.rows.wide) {
    return launch(resident_curve<T, true>, plan.warps.blocks, kThreads, 0, stream, matrix, plan.lanes,
                  plan.warps.per_warp, args);
  }
  return launch(resident_curve<T, false>, plan.warps.blocks, kThreads, 0, stream, matrix, plan.lanes,
                plan.warps.per_warp, args);
}

}  // namespace

int64_t curve_bytes(const CurveInputs& inputs) {
  return kCurves * kMaxPoints * 2 * CurvePlan(inputs.scores).warps.blocks *
         static_cast<int64_t>(sizeof(double));
}

cudaError_t sum_curve(const CurveInputs& inputs, void* scratch, double* curve, int64_t* fault,
                      cudaStream_t stream) {
  const CurvePlan plan(inputs.scores);
  cudaError_t error = clear_fault(fault, stream);
  if (error != cudaSuccess) return error;
  // At least one launch, to find bad rows even if there are no temperatures.
  for (int64_t first = 0; first == 0 || first < inputs.points; first += kMaxPoints) {
    CurveArgs args{inputs.labels,
                   inputs.log_temperatures + first * inputs.stride,
                   inputs.stride,
                   static_cast<int>(between(0, inputs.points - first, kMaxPoints)),
                   static_cast<double*>(scratch),
                   fault};
    error = for_type(inputs.scores, [&](const auto& matrix) { return run(matrix, plan, args, stream); });
    if (error != cudaSuccess) return error;
    error = launch(add_curves, kCurves * args.points, kThreads, 0, stream, args.sums, plan.warps.blocks,
                   args.points, first, inputs.points, curve);
    if (error != cudaSuccess) return error;
  }
  return label_fault(inputs.labels, fault, stream);
}

}  // namespace calibench
