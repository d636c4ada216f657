// Scans one stretch of a row in registers, in float32 as far as an error of 1e-6 allows: its largest score,
// and the sums over the other scores.
#pragma once

#include <cfloat>

#include "exponential.h"
#include "matrix.h"

namespace calibench {

// Bits of Part::flags and RowScan::flags.
constexpr unsigned kInfinite = 1;  // a score is NaN or infinite
constexpr unsigned kOutside = 2;   // a probability is outside [0, 1]
constexpr unsigned kUnsure = 4;    // float32 is not precise enough

// The scan of a stretch. For logits, `sum` and `squares` are sums over x < top in units of 2^base
// and its square (scan_float32.h), or of exp(top) and its square (scan_float64.h). For
// probabilities they are the sums of p and p^2.
struct Part {
  double sum = 0.0;
  double squares = 0.0;
  double top = 0.0;
  float base = 0.0f;
  unsigned index = 0;  // in the row, of the first score equal to top
  unsigned ties = 0;   // number of scores equal to top
  unsigned flags = 0;
};

struct TopScores {
  float top;
  float second;  // the largest score below top
  unsigned index;
  unsigned ties;
};

__device__ __forceinline__ float largest(const float* x) {
  return fmaxf(fmaxf(x[0], x[1]), fmaxf(x[2], x[3]));
}

// Finds the largest score and overwrites all its occurrences with `fill`, so that later loops
// need not test for it: the tail is a sum over the other scores, never a difference. Only quads
// that contain it are searched score by score.
template <typename T>
__device__ __forceinline__ TopScores take_top(float (&x)[kLaneScores], const Stretch& stretch,
                                              const Group& group, bool aligned, float fill) {
  float peak[kLaneScores / kQuad];
  float lane_top = fill;
#pragma unroll
  for (int q = 0; q < kLaneScores / kQuad; ++q) {
    peak[q] = fill;
    if (quad_worth<T>(q, group, stretch.widest)) {
      peak[q] = largest(x + q * kQuad);
      lane_top = fmaxf(lane_top, peak[q]);
    }
  }
  TopScores top_scores{group_max(lane_top, group.lanes), 0.0f, 0xffffffffu, 0};
  lane_top = fill;
#pragma unroll
  for (int q = 0; q < kLaneScores / kQuad; ++q) {
    if (quad_worth<T>(q, group, stretch.widest) && peak[q] == top_scores.top) {
#pragma unroll
      for (int i = q * kQuad; i < (q + 1) * kQuad; ++i) {
        if (x[i] == top_scores.top) {
          const unsigned index = stretch.begin + register_position<T>(i, group, aligned);
          top_scores.index = min(top_scores.index, index);
          ++top_scores.ties;
          x[i] = fill;
        }
      }
      peak[q] = largest(x + q * kQuad);
    }
    lane_top = fmaxf(lane_top, peak[q]);
  }
  top_scores.second = group_max(lane_top, group.lanes);
  top_scores.index = group_min(top_scores.index, group.lanes);
  top_scores.ties = group_sum(top_scores.ties, group.lanes);
  return top_scores;
}

// Terms are relative to the second largest score, so that the tail cannot
// underflow, however much larger the largest is. Sums of four terms, and sums of
// two of those, are float32; the rest is float64: at most four roundings of 2^-24.
template <bool kSquares, typename T>
__device__ __forceinline__ Part scan_logits(float (&x)[kLaneScores], const Stretch& stretch,
                                            const Group& group, bool aligned) {
  const TopScores top_scores = take_top<T>(x, stretch, group, aligned, -FLT_MAX);
  Part out;
  out.base = whole_exponent(top_scores.second, kLog2EHigh, kFar);
  const Exponential e{kLog2EHigh, kLog2ELow, kMagic - out.base};
  float sum = 0.0f;
  float squares = 0.0f;
#pragma unroll
  for (int q = 0; q < kLaneScores / kQuad; ++q) {
    if (quad_used<T>(q, group, stretch.widest)) {
      const float* terms = x + q * kQuad;
      const float a = e(terms[0]), b = e(terms[1]), c = e(terms[2]), d = e(terms[3]);
      sum += (a + b) + (c + d);
      if (kSquares) squares += __fmaf_rn(a, a, b * b) + __fmaf_rn(c, c, d * d);
    }
    if (q % 2 == 1 && quad_used<T>(q - 1, group, stretch.widest)) {
      out.sum += sum;
      if (kSquares) out.squares += squares;
      sum = squares = 0.0f;
    }
  }
  out.sum = group_sum(out.sum, group.lanes);
  if (kSquares) out.squares = group_sum(out.squares, group.lanes);
  out.top = top_scores.top;
  out.index = top_scores.index;
  out.ties = top_scores.ties;
  // NaN or an infinity makes the sum NaN, or the top infinite. scan_float64.h then finds which.
  out.flags = out.sum < 1e30 ? 0u : kUnsure;
  return out;
}

// Probabilities are summed in float64 without conversion error.
template <bool kSquares, typename T>
__device__ __forceinline__ Part scan_probabilities(float (&x)[kLaneScores], const Stretch& stretch,
                                                   const Group& group, bool aligned) {
  float smallest = 0.0f;
#pragma unroll
  for (int i = 0; i < kLaneScores; ++i) smallest = fminf(smallest, x[i]);
  const TopScores top_scores = take_top<T>(x, stretch, group, aligned, 0.0f);
  Part out;
#pragma unroll
  for (int q = 0; q < kLaneScores / kQuad; ++q) {
    if (quad_used<T>(q, group, stretch.widest)) {
#pragma unroll
      for (int i = q * kQuad; i < (q + 1) * kQuad; ++i) {
        const double p = x[i];
        out.sum += p;
        if (kSquares) out.squares = fma(p, p, out.squares);
      }
    }
  }
  const bool in_range = smallest >= 0.0f && top_scores.top <= kProbabilityCeiling && out.sum < 1e30;
  out.flags = group_or(in_range ? 0u : kUnsure, group.lanes);
  out.sum = group_sum(out.sum, group.lanes);
  if (kSquares) out.squares = group_sum(out.squares, group.lanes);
  out.top = top_scores.top;
  out.index = top_scores.index;
  out.ties = top_scores.ties;
  return out;
}

}  // namespace calibench
