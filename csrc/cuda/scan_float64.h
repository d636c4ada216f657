// Scans one stretch of a row in float64, by the definition in core/row.h: for float64 scores, and for rows
// that float32 cannot decide. The scores are read twice, the second time from a cache.
#pragma once

#include "scan_float32.h"

namespace calibench {

// The top, its first index, its number of ties, and the flags of the scores.
template <bool kProbs, typename T>
__device__ __forceinline__ Part find_top_float64(const Matrix<T>& matrix, const Stretch& stretch,
                                                 const Group& group) {
  const T* scores = matrix.row(stretch.row) + stretch.begin * matrix.class_stride;
  double top = -HUGE_VAL;
  unsigned index = 0xffffffffu;
  unsigned ties = 0;
  unsigned flags = 0;
#pragma unroll 4
  for (int j = group.sub; j < stretch.length; j += group.lanes) {
    const double x = to_double(scores[j * matrix.class_stride]);
    if (!is_finite(x)) flags |= kInfinite;
    if (kProbs && !(x >= 0.0 && x <= kProbabilityCeiling)) flags |= kOutside;
    if (x > top) {
      top = x;
      index = stretch.begin + j;
      ties = 1;
    } else if (x == top) {
      ++ties;
    }
  }
  __syncwarp();  // the groups of a warp may leave the loop at different times
  Part out;
  out.top = group_max(top, group.lanes);
  out.index = group_min(top == out.top ? index : 0xffffffffu, group.lanes);
  out.ties = group_sum(top == out.top ? ties : 0u, group.lanes);
  out.flags = group_or(flags, group.lanes);
  return out;
}

template <bool kProbs, typename T>
__device__ Part scan_float64(const Matrix<T>& matrix, const Stretch& stretch, const Group& group) {
  Part out = find_top_float64<kProbs>(matrix, stretch, group);
  const T* scores = matrix.row(stretch.row) + stretch.begin * matrix.class_stride;
#pragma unroll 4
  for (int j = group.sub; j < stretch.length; j += group.lanes) {
    const double x = to_double(scores[j * matrix.class_stride]);
    if (x == out.top) continue;
    const double e = kProbs ? x : exp(x - out.top);
    out.sum += e;
    out.squares += e * e;
  }
  __syncwarp();
  out.sum = group_sum(out.sum, group.lanes);
  out.squares = group_sum(out.squares, group.lanes);
  return out;
}

}  // namespace calibench
