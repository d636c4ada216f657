// log2 p_k of the classes of a scanned row: two fused multiply-adds
// and a subtraction per class, no exponential.
#pragma once

#include "row_scan.h"
#include "thresholds.h"

namespace calibench {

// log2 p = x log2(e) - whole - rest, with an error of at most 8e-6 + 4e-7 |log2 p|.
struct LogProbability {
  float whole;
  float rest;
  bool usable;  // false if the row is out of the range of float32

  __device__ __forceinline__ explicit LogProbability(const RowScan& row) {
    const double log_top = row.top * kLog2E;
    whole = static_cast<float>(rint(log_top));
    rest = static_cast<float>(log_top - whole) + log2f(static_cast<float>(1.0 + row.others));
    usable = fast_range(row.top) == 0;
  }

  __device__ __forceinline__ float operator()(float x) const {
    return __fmaf_rn(x, kLog2ELow, __fmaf_rn(x, kLog2EHigh, -whole)) - rest;
  }
};

// p of score x, by the definition.
__device__ __forceinline__ double probability(double x, const RowScan& row) {
  return exp(x - row.top) / (1.0 + row.others);
}

}  // namespace calibench
