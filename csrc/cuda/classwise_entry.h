// One entry p_k of classwise_stats: its value and its bin, from float32 if that
// is precise enough, else by the definition.
#pragma once

#include "../core/classwise_stats.h"
#include "find_bin.h"
#include "row_scan.h"

namespace calibench {

// The result of the first pass over a row. In float64, p = exp(x - top) / total. In float32, if the scores
// are in its range, p = 2^(x log2(e) - whole) * scale.
struct RowUnit {
  double top;
  double total;  // NaN if the row is bad
  float whole;   // NaN if the row is out of the range of float32
  float scale;
  float unused[2];  // the struct has 32 bytes: two loads of 16
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

// Finds the bin of an entry, and tests if the entry counts.
struct EntryRule {
  const double* edges;  // null for equal-width bins
  int64_t edges_stride;
  int bins;
  double threshold;

  __device__ __forceinline__ Entry float64_entry(double p, int k) const {
    const int64_t bin =
        edges == nullptr ? find_bin(p, bins) : count_below(edges + k * edges_stride, bins - 1, p);
    return {p, bin, p > threshold};
  }

  // Returns false if p, whose relative error is 1e-6, is too near an edge
  // or the threshold, or too small for float32.
  __device__ __forceinline__ bool float32_entry(float p, int k, Entry* out) const {
    if (!(p >= 1e-30f)) return false;
    const float limit = static_cast<float>(threshold);
    if (threshold > 0.0 && fabsf(p - limit) <= 2e-6f * limit) return false;
    out->p = p;
    out->counted = threshold < 0.0 || p > limit;
    if (edges == nullptr) {
      const float position = p * static_cast<float>(bins);
      const float nearest = rintf(position);
      if (nearest >= 1.0f && nearest < static_cast<float>(bins) &&
          fabsf(position - nearest) <= 2e-6f * nearest)
        return false;
      out->bin = min(static_cast<int>(position), bins - 1);
      return true;
    }
    const double* class_edges = edges + k * edges_stride;
    out->bin = count_below(class_edges, bins - 1, p * (1.0 - 2e-6));
    return out->bin == bins - 1 || class_edges[out->bin] >= p * (1.0 + 2e-6);
  }
};

template <bool kProbs, typename T>
__device__ __forceinline__ Entry entry_of(T score, const RowUnit& row, const EntryRule& rule, int k) {
  if constexpr (kProbs) {
    return rule.float64_entry(to_double(score), k);
  } else {
    if constexpr (sizeof(T) < 8) {
      const float x = to_float(score);
      const Exponential e{kLog2EHigh, kLog2ELow, kMagic - row.whole};
      Entry entry;
      if (rule.float32_entry(e(x) * row.scale, k, &entry)) return entry;
    }
    const double d = to_double(score) - row.top;
    return rule.float64_entry(d < -760.0 ? 0.0 : exp(d) / row.total, k);
  }
}

}  // namespace calibench
