// One row at one temperature: the sums of e = exp(b d), e d and e d^2 over the scores below the top, with
// d = x - top, and the NLL and its derivatives from them. e is a float32 with an error of 3e-7
// (exponential.h); the rest is float64. The moments are therefore those of a distribution with an error of
// 3e-7, and the variance, their difference, loses no more precision.
#pragma once

#include "row_scan.h"

namespace calibench {

// One inverse temperature.
struct InverseTemperature {
  double b;
  float high;  // b log2(e), rounded up
  float low;   // b log2(e) - high
  float far;   // 2^20 / b
};

__device__ __forceinline__ InverseTemperature make_inverse_temperature(double log_temperature) {
  InverseTemperature temperature;
  temperature.b = exp(-log_temperature);
  const double exponent = temperature.b * kLog2E;
  temperature.high = __double2float_ru(exponent);
  temperature.low = static_cast<float>(exponent - temperature.high);
  temperature.far = static_cast<float>(kFar / temperature.b);
  return temperature;
}

struct Moments {
  double mass = 0.0;
  double first = 0.0;
  double second = 0.0;
};

struct CurvePoint {
  double nll = 0.0;
  double slope = 0.0;
  double curvature = 0.0;
};

__device__ __forceinline__ Moments group_sum(const Moments& lane_moments, int lanes) {
  return {group_sum(lane_moments.mass, lanes), group_sum(lane_moments.first, lanes),
          group_sum(lane_moments.second, lanes)};
}

__device__ __forceinline__ void add_term(Moments* sums, double e, double d) {
  const double weighted = e * d;
  sums->mass += e;
  sums->first += weighted;
  sums->second = fma(weighted, d, sums->second);
}

// The moments of a stretch in float32 terms, in units of 2^base with
// base = whole_exponent(second largest score).
template <typename T>
__device__ __forceinline__ Moments fast_moments(const float (&x)[kLaneScores], const Stretch& stretch,
                                                const Group& group, const InverseTemperature& temperature,
                                                double top, float base) {
  const Exponential e{temperature.high, temperature.low, kMagic - base};
  Moments sums;
#pragma unroll
  for (int q = 0; q < kLaneScores / kQuad; ++q) {
    if (!quad_used<T>(q, group, stretch.widest)) continue;
#pragma unroll
    for (int i = q * kQuad; i < (q + 1) * kQuad; ++i) add_term(&sums, e(x[i]), x[i] - top);
  }
  return sums;
}

// The moments of a stretch in float64, in units of 1.
template <typename T>
__device__ __forceinline__ Moments exact_moments(const Matrix<T>& matrix, const Stretch& stretch,
                                                 const Group& group, double b, double top) {
  const T* scores = matrix.row(stretch.row) + stretch.begin * matrix.class_stride;
  Moments sums;
#pragma unroll 2
  for (int j = group.sub; j < stretch.length; j += group.lanes) {
    const double x = to_double(scores[j * matrix.class_stride]);
    const double e = x == top ? 0.0 : exp(b * (x - top));
    if (e != 0.0) add_term(&sums, e, x - top);  // otherwise d^2 may be infinite
  }
  __syncwarp();
  return sums;
}

// NLL, slope and curvature of a row at one temperature, from its moments in units of `unit`.
__device__ __forceinline__ CurvePoint curve_point(const Moments& sums, double unit, unsigned ties,
                                                  double d_label, double b, bool exact) {
  const double tail = sums.mass * unit + (static_cast<double>(ties) - 1.0);
  const double confidence = 1.0 / (1.0 + tail);
  const double mean = sums.first * unit * confidence;
  const double variance = fmax(sums.second * unit * confidence - mean * mean, 0.0);
  const double gap = b * (mean - d_label);
  return {log_mass(tail, exact) - b * d_label, -gap, gap + b * b * variance};
}

}  // namespace calibench
