// The one bin rule of calibench, host and device: M equal bins (k/M, (k+1)/M], the first closed at 0.
#pragma once

#include "types.h"

namespace calibench {

// Edge k is the float64 quotient k / M; a float32 linspace differs from it on 14 of 16 edges at M = 15.
CALIBENCH_HD double bin_edge(int64_t k, int64_t bins) {
  return static_cast<double>(k) / static_cast<double>(bins);
}

// The bin of a confidence: 1.0 lies in bin M - 1, never in a hidden extra bin, and a value on an edge in the
// lower bin.
CALIBENCH_HD int64_t bin_of(double confidence, int64_t bins) {
  if (!(confidence > 0.0)) return 0;
  if (confidence >= 1.0) return bins - 1;
  int64_t k = static_cast<int64_t>(confidence * static_cast<double>(bins));
  if (k > bins - 1) k = bins - 1;
  // The product above is rounded, so it may be one bin off; the edges decide.
  while (k > 0 && confidence <= bin_edge(k, bins)) --k;
  while (k < bins - 1 && confidence > bin_edge(k + 1, bins)) ++k;
  return k;
}

}  // namespace calibench
