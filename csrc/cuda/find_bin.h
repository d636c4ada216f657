// The bin rule of core/bins.h with fewer divisions.
#pragma once

#include "../core/bins.h"
#include "device.h"

namespace calibench {

// Away from an edge the product gives the bin, even with its rounding error. Near an edge bins.h decides.
__device__ __forceinline__ int64_t find_bin(double p, int bins) {
  const double position = p * bins;
  if (fabs(position - rint(position)) <= 1e-9 * bins) return bin_of(p, bins);
  const int64_t bin = static_cast<int64_t>(position);
  return bin < bins ? bin : bins - 1;
}

}  // namespace calibench
