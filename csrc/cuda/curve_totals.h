// The running sums of a block of nll_curve: a place in shared memory for each warp and temperature, and one
// lane that writes there.
#pragma once

#include "curve_moments.h"
#include "total.h"

namespace calibench {

constexpr int kMaxPoints = 32;  // of a launch: a lane each
constexpr int kCurves = 3;

struct CurveArgs {
  LabelView labels;
  const double* log_temperatures;
  int64_t stride;
  int points;    // at most kMostPoints
  double* sums;  // [3, points, 2, blocks]: sum and carry
  int64_t* fault;
};

// What the block has summed: a place a warp and point, each with one lane that writes it.
struct CurveTotals {
  InverseTemperature points[kMaxPoints];
  double far;  // the largest |x| for which every point can be had in float32; negative if there is none
  double sums[kWarps][kMaxPoints][kCurves][2];

  __device__ void begin(const CurveArgs& args) {
    for (int i = threadIdx.x; i < kWarps * kMaxPoints * kCurves * 2; i += kThreads)
      (&sums[0][0][0][0])[i] = 0.0;
    if (static_cast<int>(threadIdx.x) < args.points) {
      points[threadIdx.x] = make_inverse_temperature(args.log_temperatures[threadIdx.x * args.stride]);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      far = HUGE_VAL;
      for (int t = 0; t < args.points; ++t) {
        const double b = points[t].b;
        // A 256th is left below: so far down the terms of scan.h would start to vanish.
        far = b > 1e-25 && b < 1e25 ? fmin(far, kFar / b * (255.0 / 256.0)) : -1.0;
      }
    }
    __syncthreads();
  }

  __device__ void add(int t, const CurvePoint& point) {
    const double values[kCurves] = {point.nll, point.slope, point.curvature};
    for (int c = 0; c < kCurves; ++c) {
      double* pair = sums[threadIdx.x / kWarp][t][c];
      Sum all = Sum{pair[0], pair[1]};
      all.add(values[c]);
      pair[0] = all.sum;
      pair[1] = all.carry;
    }
  }

  __device__ void finish(const CurveArgs& args) {
    __syncthreads();
    for (int i = threadIdx.x; i < kCurves * args.points; i += kThreads) {
      const int c = i / args.points;
      const int t = i % args.points;
      Sum all;
      for (int warp = 0; warp < kWarps; ++warp) all.add(Sum{sums[warp][t][c][0], sums[warp][t][c][1]});
      args.sums[(2 * static_cast<int64_t>(i)) * gridDim.x + blockIdx.x] = all.sum;
      args.sums[(2 * static_cast<int64_t>(i) + 1) * gridDim.x + blockIdx.x] = all.carry;
    }
  }
};

// Shared memory may not hold types with initialisers, hence the raw bytes.
__device__ __forceinline__ CurveTotals* shared_sums() {
  __shared__ __align__(16) unsigned char bytes[sizeof(CurveTotals)];
  return reinterpret_cast<CurveTotals*>(bytes);
}

}  // namespace calibench
