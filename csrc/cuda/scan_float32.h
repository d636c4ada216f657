// One stretch of a row held in registers, in float32 as far as 1e-6 allows: its largest score, and sums over
// the others.
#pragma once

#include <cfloat>

#include "exponential.h"
#include "matrix.h"

namespace calibench {

// Bits of `flags`.
constexpr unsigned kInfinite = 1;  // some score is NaN or infinite
constexpr unsigned kOutside = 2;   // some probability is outside [0, 1]
constexpr unsigned kUnsure = 4;    // float32 cannot tell

// What a stretch says. Of logits, `sum` and `squares` run over x < top in units of 2^base and its square
// (scan.h) or of exp(top) (exact.h); of probabilities they are sums of p and p^2.
struct Part {
  double sum = 0.0;
  double squares = 0.0;
  double top = 0.0;
  float base = 0.0f;
  unsigned index = 0;  // of the first score equal to top, in the row
  unsigned ties = 0;   // how many are
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

// Finds the largest score and overwrites it, wherever it stands, with `fill`, so that no later loop need ask
// for it: the tail is a sum over the others, never a difference. Only quads that hold it are looked at one by
// one.
template <typename T>
__device__ __forceinline__ TopScores take_top(float (&x)[kLaneScores], const Stretch& stretch,
                                              const Group& group, bool aligned, float fill) {
  float peak[kLaneScores / kQuad];
  float mine = fill;
#pragma unroll
  for (int q = 0; q < kLaneScores / kQuad; ++q) {
    peak[q] = fill;
    if (quad_worth<T>(q, group, stretch.widest)) {
      peak[q] = largest(x + q * kQuad);
      mine = fmaxf(mine, peak[q]);
    }
  }
  TopScores found{group_max(mine, group.lanes), 0.0f, 0xffffffffu, 0};
  mine = fill;
#pragma unroll
  for (int q = 0; q < kLaneScores / kQuad; ++q) {
    if (quad_worth<T>(q, group, stretch.widest) && peak[q] == found.top) {
#pragma unroll
      for (int i = q * kQuad; i < (q + 1) * kQuad; ++i) {
        if (x[i] == found.top) {
          const unsigned at = stretch.begin + place<T>(i, group, aligned);
          found.index = min(found.index, at);
          ++found.ties;
          x[i] = fill;
        }
      }
      peak[q] = largest(x + q * kQuad);
    }
    mine = fmaxf(mine, peak[q]);
  }
  found.second = group_max(mine, group.lanes);
  found.index = group_min(found.index, group.lanes);
  found.ties = group_sum(found.ties, group.lanes);
  return found;
}

// Terms are relative to the second largest score, so that no tail underflows, however far the largest is.
// They are added in float32 four by four, two such sums in float32, and those in float64: at most four
// roundings of 2^-24.
template <bool kSquares, typename T>
__device__ __forceinline__ Part scan_logits(float (&x)[kLaneScores], const Stretch& stretch,
                                            const Group& group, bool aligned) {
  const TopScores summit = take_top<T>(x, stretch, group, aligned, -FLT_MAX);
  Part out;
  out.base = whole_exponent(summit.second, kLog2EHigh, kFar);
  const Exponential e{kLog2EHigh, kLog2ELow, kMagic - out.base};
  float sum = 0.0f;
  float squares = 0.0f;
#pragma unroll
  for (int q = 0; q < kLaneScores / kQuad; ++q) {
    if (quad_used<T>(q, group, stretch.widest)) {
      const float* from = x + q * kQuad;
      const float a = e(from[0]), b = e(from[1]), c = e(from[2]), d = e(from[3]);
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
  out.top = summit.top;
  out.index = summit.index;
  out.ties = summit.ties;
  // A NaN or an infinity anywhere makes the sum NaN (or the top infinite); exact.h then tells which.
  out.flags = out.sum < 1e30 ? 0u : kUnsure;
  return out;
}

// Probabilities are summed in float64 as they are: exact, but for the order.
template <bool kSquares, typename T>
__device__ __forceinline__ Part scan_probabilities(float (&x)[kLaneScores], const Stretch& stretch,
                                                   const Group& group, bool aligned) {
  float least = 0.0f;
#pragma unroll
  for (int i = 0; i < kLaneScores; ++i) least = fminf(least, x[i]);
  const TopScores summit = take_top<T>(x, stretch, group, aligned, 0.0f);
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
  const bool proper = least >= 0.0f && summit.top <= kProbabilityCeiling && out.sum < 1e30;
  out.flags = group_or(proper ? 0u : kUnsure, group.lanes);
  out.sum = group_sum(out.sum, group.lanes);
  if (kSquares) out.squares = group_sum(out.squares, group.lanes);
  out.top = summit.top;
  out.index = summit.index;
  out.ties = summit.ties;
  return out;
}

}  // namespace calibench
