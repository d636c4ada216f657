// Merges the parts of a row: its largest score and the sums over the other scores.
#pragma once

#include "scan_float64.h"

namespace calibench {

// `others` and `squares` are sums over all classes but the argmax: of e_j = exp(x_j - top) and e_j^2 for
// logits (so `others` is the tail), of p_j and p_j^2 for probabilities.
struct RowScan {
  double top = 0.0;
  double others = 0.0;
  double squares = 0.0;
  unsigned index = 0;
  unsigned flags = 0;
};

// The status of a bad row: it has flags or an invalid label.
__device__ __forceinline__ RowStatus bad_row_status(const RowScan& row, bool label_valid) {
  return row.flags & kInfinite ? RowStatus::kNonFinite
         : label_valid         ? RowStatus::kProbability
                               : RowStatus::kLabel;
}

// 0 if float32 can handle a row with this top, else kUnsure. A top beyond kFar has no whole exponent in
// float32; near -kFar the terms of scan_float32.h would start to vanish.
__device__ __forceinline__ unsigned fast_range(double top) {
  return top <= kFar && top >= 4096.0 - kFar ? 0u : kUnsure;
}

// Adds 1 for each further score equal to the top.
template <bool kProbs>
__device__ __forceinline__ void add_ties(RowScan* row, unsigned ties) {
  const double others = static_cast<double>(ties) - 1.0;
  row->others += kProbs ? others * row->top : others;
  row->squares += kProbs ? others * row->top * row->top : others;
}

// The scan of a row that has one part.
template <bool kProbs, bool kFast>
__device__ __forceinline__ RowScan row_of(const Part& part) {
  RowScan row{part.top, part.sum, part.squares, part.index, part.flags};
  if (kFast && !kProbs) {
    const double unit = exp2(part.base - part.top * kLog2E);
    row.others *= unit;
    row.squares *= unit * unit;
    row.flags |= fast_range(part.top);
  }
  add_ties<kProbs>(&row, part.ties);
  return row;
}

// Merges `count` parts of a row with one group of lanes. Every lane of the group gets the result.
template <bool kProbs, bool kFast>
__device__ __forceinline__ RowScan merge_parts(const Part* parts, int count, const Group& group) {
  RowScan row;
  double top = -HUGE_VAL;
  for (int i = group.sub; i < count; i += group.lanes) top = fmax(top, parts[i].top);
  __syncwarp();
  row.top = group_max(top, group.lanes);
  unsigned ties = 0;
  row.index = 0xffffffffu;
  for (int i = group.sub; i < count; i += group.lanes) {
    const Part& part = parts[i];
    const double peak = kProbs ? part.top : exp(part.top - row.top);
    const double unit = kProbs ? 1.0 : kFast ? exp2(part.base - row.top * kLog2E) : peak;
    row.others += part.sum * unit;
    row.squares += part.squares * unit * unit;
    row.flags |= part.flags;
    if (part.top == row.top) {
      ties += part.ties;
      row.index = min(row.index, part.index);
    } else {
      row.others += part.ties * peak;
      row.squares += part.ties * peak * peak;
    }
  }
  __syncwarp();
  row.others = group_sum(row.others, group.lanes);
  row.squares = group_sum(row.squares, group.lanes);
  row.index = group_min(row.index, group.lanes);
  row.flags = group_or(row.flags, group.lanes);
  if (kFast && !kProbs) row.flags |= fast_range(row.top);
  add_ties<kProbs>(&row, group_sum(ties, group.lanes));
  return row;
}

// ln(1 + tail). For float32 scores log1pf, with an error of 1e-7, is precise enough; below 1e-3 two terms of
// the series have an error of 4e-7 and do not underflow.
__device__ __forceinline__ double log_mass(double tail, bool exact) {
  if (exact) return log1p(tail);
  return tail < 1e-3 ? tail - 0.5 * tail * tail : log1pf(static_cast<float>(tail));
}

// Scans a whole row in float64 with a whole warp.
template <bool kProbs, typename T>
__device__ __noinline__ RowScan row_float64(const Matrix<T>& matrix, int64_t row) {
  const Stretch stretch{row, 0, matrix.classes, matrix.classes};
  return row_of<kProbs, false>(scan_float64<kProbs>(matrix, stretch, Group(kWarp)));
}

}  // namespace calibench
