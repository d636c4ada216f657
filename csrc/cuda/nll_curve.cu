// nll_curve on CUDA: every temperature while the row is in registers (K <= 1024) or in a cache (a block a
// row).
#include "curve_totals.h"
#include "fault.h"
#include "nll_curve.h"
#include "row_plan.h"

namespace calibench {
namespace {

constexpr int kCurveBlocks = 4096;

// Reports what is wrong with the row, or gives the label's distance from the top.
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

// What float32 scores say exactly: their top, how many stand there, the largest below, whether all are
// finite.
struct RowTop {
  double top = -HUGE_VAL;
  float second = -FLT_MAX;
  unsigned ties = 0;
  bool finite = true;
};

// Leaves the scores in x, but for the top ones, which become nothing.
template <typename T>
__device__ __forceinline__ RowTop find_row_top(const Matrix<T>& matrix, const Stretch& part,
                                               const Group& group, float (&x)[kLaneScores]) {
  RowTop out;
  if constexpr (sizeof(T) < 8) {
    load(matrix, part, group, -FLT_MAX, x);
    float bad = 0.0f;
#pragma unroll
    for (int i = 0; i < kLaneScores; ++i) bad = __fmaf_rn(x[i], 0.0f, bad);
    const TopScores summit = take_top<T>(x, part, group, matrix.aligned, -FLT_MAX);
    out.top = summit.top;
    out.second = summit.second;
    out.ties = summit.ties;
    out.finite = group_or(bad == 0.0f ? 0u : 1u, group.lanes) == 0;
  } else {
    const Part found = find_top_float64<false>(matrix, part, group);
    out.top = found.top;
    out.ties = found.ties;
    out.finite = found.flags == 0;
  }
  return out;
}

// A step of a warp: a row a group. Lane `sub` of a group gets temperatures sub, sub + L, ...
template <typename T>
__device__ __forceinline__ void curve_of_rows(const Matrix<T>& matrix, const Stretch& part,
                                              const Group& group, const CurveArgs& args,
                                              CurveTotals* shared) {
  float x[kLaneScores];
  const RowTop row = find_row_top(matrix, part, group, x);
  double d_label = 0.0;
  const bool good = part.length > 0 &&
                    label_distance(matrix, args, part.row, row.finite, row.top, group.sub == 0, &d_label);
  const bool fast = sizeof(T) < 8 && fabs(row.top) <= shared->far;
  for (int start = 0; start < args.points; start += group.lanes) {
    Moments mine;
    double unit = 1.0;
    for (int t = start; t < min(start + group.lanes, args.points); ++t) {
      const InverseTemperature point = shared->points[t];
      Moments found;
      double its_unit = 1.0;
      if constexpr (sizeof(T) < 8) {
        const float base = whole_exponent(row.second, point.high, point.far);
        found = fast_moments<T>(x, part, group, point, row.top, base);
        its_unit = exp2(base - row.top * point.b * kLog2E);
      }
      if (sizeof(T) == 8 || __any_sync(kAllLanes, good && !fast)) {
        const Moments exact = exact_moments(matrix, part, group, point.b, row.top);
        if (!fast) {
          found = exact;
          its_unit = 1.0;
        }
      }
      found = group_sum(found, group.lanes);
      if (t - start == group.sub) {
        mine = found;
        unit = its_unit;
      }
    }
    const int t = start + group.sub;
    CurvePoint at;
    if (good && t < args.points)
      at = curve_point(mine, unit, row.ties, d_label, shared->points[t].b, sizeof(T) == 8);
    __syncwarp();
    for (int step = group.lanes; step < kWarp; step *= 2) {  // over the rows of the warp
      at.nll += __shfl_xor_sync(kAllLanes, at.nll, step);
      at.slope += __shfl_xor_sync(kAllLanes, at.slope, step);
      at.curvature += __shfl_xor_sync(kAllLanes, at.curvature, step);
    }
    if (group.index == 0 && t < args.points) shared->add(t, at);
  }
}

// kWhole: 32 lanes a row, known when this is compiled.
template <typename T, bool kWhole>
__global__ void __launch_bounds__(kThreads)
    resident_curve(Matrix<T> matrix, int lanes, int64_t per_warp, CurveArgs args) {
  CurveTotals* shared = shared_sums();
  shared->begin(args);
  const Group group(kWhole ? kWarp : lanes);
  const int groups_per_warp = kWarp / group.lanes;
  const int64_t warp = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  for (int64_t step = 0; step < per_warp; ++step) {
    const int64_t first = (warp * per_warp + step) * groups_per_warp;
    if (first >= matrix.rows) break;  // the whole warp
    const int64_t i = first + group.index;
    const bool exists = i < matrix.rows;
    curve_of_rows(matrix, Stretch{exists ? i : 0, 0, exists ? matrix.classes : 0, matrix.classes}, group,
                  args, shared);
    __syncwarp();
  }
  shared->finish(args);
}

__device__ __forceinline__ void merge(RowTop* into, const RowTop& other) {
  if (other.top > into->top) {
    into->second = fmaxf(other.second, static_cast<float>(into->top));
    into->top = other.top;
    into->ties = other.ties;
  } else if (other.top == into->top) {
    into->ties += other.ties;
    into->second = fmaxf(into->second, other.second);
  } else {
    into->second = fmaxf(into->second, static_cast<float>(other.top));
  }
  into->finite = into->finite && other.finite;
}

template <typename T>
__global__ void __launch_bounds__(kThreads) wide_curve(Matrix<T> matrix, RowPlan plan, CurveArgs args) {
  __shared__ double tops[kWarps];
  __shared__ float seconds[kWarps];
  __shared__ unsigned ties[kWarps];
  __shared__ bool finites[kWarps];
  __shared__ double moments[kWarps][kMaxPoints][3];
  CurveTotals* shared = shared_sums();
  shared->begin(args);
  const Group group(kWarp);
  const int warp = threadIdx.x / kWarp;
  for (int64_t i = blockIdx.x; i < matrix.rows; i += gridDim.x) {
    const auto stretch = [&](int g) {
      const int begin = g * plan.part_length;
      const int length = min(plan.part_length, matrix.classes - begin);
      return Stretch{i, begin, length, length};
    };
    float x[kLaneScores];
    RowTop row;
    for (int g = warp; g < plan.parts; g += kWarps) merge(&row, find_row_top(matrix, stretch(g), group, x));
    if (group.sub == 0) {
      tops[warp] = row.top;
      seconds[warp] = row.second;
      ties[warp] = row.ties;
      finites[warp] = row.finite;
    }
    __syncthreads();
    row = RowTop{};
    for (int w = 0; w < kWarps; ++w) merge(&row, RowTop{tops[w], seconds[w], ties[w], finites[w]});
    double d_label = 0.0;
    const bool good = label_distance(matrix, args, i, row.finite, row.top, threadIdx.x == 0, &d_label);
    const bool fast = sizeof(T) < 8 && fabs(row.top) <= shared->far;
    Moments mine;  // of temperature `lane`, over the stretches of this warp
    for (int g = warp; good && g < plan.parts; g += kWarps) {
      if constexpr (sizeof(T) < 8) {
        load(matrix, stretch(g), group, -FLT_MAX, x);
#pragma unroll
        for (int j = 0; j < kLaneScores; ++j) {
          if (x[j] == static_cast<float>(row.top)) x[j] = -FLT_MAX;
        }
      }
      for (int t = 0; t < args.points; ++t) {
        const InverseTemperature point = shared->points[t];
        Moments found;
        if constexpr (sizeof(T) < 8) {
          if (fast) {
            const float base = whole_exponent(row.second, point.high, point.far);
            found = fast_moments<T>(x, stretch(g), group, point, row.top, base);
          }
        }
        if (!fast) found = exact_moments(matrix, stretch(g), group, point.b, row.top);
        found = group_sum(found, kWarp);
        if (t == group.sub)
          mine = {mine.mass + found.mass, mine.first + found.first, mine.second + found.second};
      }
    }
    moments[warp][group.sub][0] = mine.mass;
    moments[warp][group.sub][1] = mine.first;
    moments[warp][group.sub][2] = mine.second;
    __syncthreads();
    if (good && warp == 0 && group.sub < args.points) {
      Moments all;
      for (int w = 0; w < kWarps; ++w) {
        const double* part = moments[w][group.sub];
        all = {all.mass + part[0], all.first + part[1], all.second + part[2]};
      }
      const InverseTemperature point = shared->points[group.sub];
      const float base = whole_exponent(row.second, point.high, point.far);
      const double unit = fast ? exp2(base - row.top * point.b * kLog2E) : 1.0;
      shared->add(group.sub, curve_point(all, unit, row.ties, d_label, point.b, sizeof(T) == 8));
    }
    __syncthreads();  // before anything shared is overwritten
  }
  shared->finish(args);
}

// Point t of curve c, from what the blocks left.
__global__ void __launch_bounds__(kThreads) add_curves(const double* sums, int64_t blocks, int points,
                                                       int64_t first, int64_t all_points, double* curve) {
  const double* own = sums + static_cast<int64_t>(blockIdx.x) * 2 * blocks;
  const Sum total = grid_total(own, own + blocks, blocks);
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
  for (int64_t first = 0; first == 0 || first < inputs.points;
       first += kMaxPoints) {  // once at least, for the fault
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
