// The bin rule of calibench, for host and device: M equal bins (k/M, (k+1)/M]; the first also holds 0.
#pragma once

#include "types.h"

namespace calibench {

// Edge k is the float64 quotient k / M; a float32 linspace differs from it on 14 of 16 edges at M = 15.
CALIBENCH_HD double bin_edge(int64_t k, int64_t bins) {
  return static_cast<double>(k) / static_cast<double>(bins);
}

// The bin of a confidence. 1.0 is in bin M - 1 (there is no bin M),
// and a value on an edge is in the lower bin.
CALIBENCH_HD int64_t bin_of(double confidence, int64_t bins) {
  if (!(confidence > 0.0)) return 0;
  if (confidence >= 1.0) return bins - 1;
  int64_t k = static_cast<int64_t>(confidence * static_cast<double>(bins));
  if (k > bins - 1) k = bins - 1;
  // The product above is rounded, so k may be off by one bin: compare with the edges.
  while (k > 0 && confidence <= bin_edge(k, bins)) --k;
  while (k < bins - 1 && confidence > bin_edge(k + 1, bins)) ++k;
  return k;
}

// The number of sorted values below `limit`.
template <typename T>
CALIBENCH_HD int64_t count_below(const T* sorted, int64_t count, T limit) {
  int64_t low = 0;
  int64_t high = count;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (sorted[middle] < limit) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace calibench
