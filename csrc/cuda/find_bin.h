// core/bins.h at a fraction of its divisions.
#pragma once

#include "../core/bins.h"
#include "device.h"

namespace calibench {

// Away from an edge the product tells the bin, whatever its rounding; else bins.h does.
__device__ __forceinline__ int64_t find_bin(double p, int bins) {
  const double at = p * bins;
  if (fabs(at - rint(at)) <= 1e-9 * bins) return bin_of(p, bins);
  const int64_t bin = static_cast<int64_t>(at);
  return bin < bins ? bin : bins - 1;
}

}  // namespace calibench
