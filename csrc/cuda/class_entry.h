// One class of one row, on the device.
#pragma once

#include "../core/bins.h"
#include "class_units.h"
#include "unfused.h"

namespace calibench {

__device__ __forceinline__ double score_at(const Scores& scores, int64_t row, int64_t k) {
  const int64_t at = row * scores.row_stride + k * scores.class_stride;
  switch (scores.type) {
    case ScoreType::kFloat64:
      return static_cast<const double*>(scores.data)[at];
    case ScoreType::kFloat32:
      return to_double(static_cast<const float*>(scores.data)[at]);
    case ScoreType::kBFloat16:
      return to_double(static_cast<const BFloat16*>(scores.data)[at]);
    default:
      return to_double(static_cast<const Float16*>(scores.data)[at]);
  }
}

// exp(x_k - top), or the probability itself.
__device__ __forceinline__ double term_of(const ClassRows& rows, int64_t item, int64_t k, double top) {
  const double x = score_at(rows.scores, rows.row(item), k);
  return rows.from_probs ? x : exp_unfused(x - top);
}

// The bin of p, with the usual case first.
__device__ __forceinline__ int64_t class_bin_of(double p, double first_edge, int64_t bins) {
  return p <= first_edge ? 0 : bin_of(p, bins);
}

__device__ __forceinline__ double first_edge_of(int64_t bins) {
  return bins == 1 ? HUGE_VAL : bin_edge(1, bins);
}

struct DeviceEntry {
  double p;      // times the factor of its cell, but not divided by `scaled`
  int32_t cell;  // of the probability without factors
};

__device__ __forceinline__ DeviceEntry entry_of(const ClassRows& rows, int64_t item, int64_t k,
                                                const ClassUnit& unit) {
  const double p = term_of(rows, item, k, unit.top) / unit.sum;
  const int32_t cell =
      static_cast<int32_t>(k * rows.bins + class_bin_of(p, first_edge_of(rows.bins), rows.bins));
  return {rows.factors == nullptr ? p : p * rows.factors[cell], cell};
}

}  // namespace calibench
