// One entry p_k of classwise_stats: its value, and its bin; from float32 where that decides, else by the
// definition.
#pragma once

#include "../core/classwise_stats.h"
#include "find_bin.h"
#include "row_scan.h"

namespace calibench {

// What pass one leaves of a row, in float64: p = exp(x - top) / total; and, for scores that float32 holds,
// p = 2^(x log2(e) - whole) * scale.
struct RowUnit {
  double top;
  double total;  // NaN: the row is bad
  float whole;   // NaN: beyond float32
  float scale;
  float unused[2];  // 32 bytes: two loads of 16
};

__device__ __forceinline__ RowUnit row_unit(const RowScan& row) {
  RowUnit unit{};
  unit.top = row.top;
  unit.total = 1.0 + row.others;
  const double log_total = row.top * kLog2E + log2(unit.total);
  unit.whole = fast_range(row.top) == 0 ? static_cast<float>(rint(log_total)) : nanf("");
  unit.scale = static_cast<float>(exp2(rint(log_total) - log_total));
  return unit;
}

struct Entry {
  double p;
  int64_t bin;
  bool counted;
};

// What does not depend on the entry.
struct EntryRule {
  const double* edges;  // null: equal width
  int64_t edges_stride;
  int bins;
  double threshold;

  __device__ __forceinline__ Entry exactly(double p, int k) const {
    const int64_t bin =
        edges == nullptr ? find_bin(p, bins) : bin_by_edges(p, edges + k * edges_stride, bins - 1);
    return {p, bin, p > threshold};
  }

  // False where p, known to 1e-6 of itself, lies too near an edge or the threshold; and where it is so small
  // that float32 lost it.
  __device__ __forceinline__ bool quickly(float p, int k, Entry* out) const {
    if (!(p >= 1e-30f)) return false;
    const float limit = static_cast<float>(threshold);
    if (threshold > 0.0 && fabsf(p - limit) <= 2e-6f * limit) return false;
    out->p = p;
    out->counted = threshold < 0.0 || p > limit;
    if (edges == nullptr) {
      const float at = p * static_cast<float>(bins);
      const float edge = rintf(at);
      if (edge >= 1.0f && edge < static_cast<float>(bins) && fabsf(at - edge) <= 2e-6f * edge) return false;
      out->bin = min(static_cast<int>(at), bins - 1);
      return true;
    }
    const double* own = edges + k * edges_stride;
    out->bin = bin_by_edges(p * (1.0 - 2e-6), own, bins - 1);
    return out->bin == bins - 1 || own[out->bin] >= p * (1.0 + 2e-6);
  }
};

template <bool kProbs, typename T>
__device__ __forceinline__ Entry entry_of(T score, const RowUnit& row, const EntryRule& rule, int k) {
  if constexpr (kProbs) {
    return rule.exactly(to_double(score), k);
  } else {
    if constexpr (sizeof(T) < 8) {
      const float x = to_float(score);
      const Exponential e{kLog2EHigh, kLog2ELow, kMagic - row.whole};
      Entry entry;
      if (rule.quickly(e(x) * row.scale, k, &entry)) return entry;
    }
    const double d = to_double(score) - row.top;
    return rule.exactly(d < -760.0 ? 0.0 : exp(d) / row.total, k);
  }
}

}  // namespace calibench
