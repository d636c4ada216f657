// The running sums of a block of nll_curve, in shared memory.
#pragma once

#include "curve_moments.h"
#include "total.h"

namespace calibench {

constexpr int kMaxPoints = 32;  // temperatures per launch, one per lane
constexpr int kCurves = 3;

struct CurveArgs {
  LabelView labels;
  const double* log_temperatures;
  int64_t stride;
  int points;    // at most kMaxPoints
  double* sums;  // [3, points, 2, blocks]: sum and carry
  int64_t* fault;
};

// One sum for each warp, temperature and curve. Only one lane writes to each.
struct CurveTotals {
  InverseTemperature temperatures[kMaxPoints];
  double far;  // the largest |x| that float32 handles at every temperature; negative if there is none
  double sums[kWarps][kMaxPoints][kCurves][2];

  __device__ void begin(const CurveArgs& args) {
    for (int i = threadIdx.x; i < kWarps * kMaxPoints * kCurves * 2; i += kThreads)
      (&sums[0][0][0][0])[i] = 0.0;
    if (static_cast<int>(threadIdx.x) < args.points) {
      temperatures[threadIdx.x] = make_inverse_temperature(args.log_temperatures[threadIdx.x * args.stride]);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      far = HUGE_VAL;
      for (int t = 0; t < args.points; ++t) {
        const double b = temperatures[t].b;
        // The margin of 1/256 keeps terms of scan_float32.h from vanishing.
        far = b > 1e-25 && b < 1e25 ? fmin(far, kFar / b * (255.0 / 256.0)) : -1.0;
      }
    }
    __syncthreads();
  }

  __device__ void add(int t, const CurvePoint& point) {
    const double values[kCurves] = {point.nll, point.slope, point.curvature};
    for (int c = 0; c < kCurves; ++c) {
      double* pair = sums[threadIdx.x / kWarp][t][c];
      Sum sum = Sum{pair[0], pair[1]};
      sum.add(values[c]);
      pair[0] = sum.sum;
      pair[1] = sum.carry;
    }
  }

  __device__ void finish(const CurveArgs& args) {
    __syncthreads();
    for (int i = threadIdx.x; i < kCurves * args.points; i += kThreads) {
      const int c = i / args.points;
      const int t = i % args.points;
      Sum sum;
      for (int warp = 0; warp < kWarps; ++warp) sum.add(Sum{sums[warp][t][c][0], sums[warp][t][c][1]});
      args.sums[(2 * static_cast<int64_t>(i)) * gridDim.x + blockIdx.x] = sum.sum;
      args.sums[(2 * static_cast<int64_t>(i) + 1) * gridDim.x + blockIdx.x] = sum.carry;
    }
  }
};

// Shared variables may not have initialisers, so the memory is declared as bytes.
__device__ __forceinline__ CurveTotals* shared_totals() {
  __shared__ __align__(16) unsigned char bytes[sizeof(CurveTotals)];
  return reinterpret_cast<CurveTotals*>(bytes);
}

}  // namespace calibench
