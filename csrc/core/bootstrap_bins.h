// bootstrap_bins: samples sorted by cell, drawn by position, summed in fixed point, so that no order changes
// a bit.
#pragma once

#include <cmath>

#include "bins.h"
#include "philox.h"

namespace calibench {

struct BootstrapArgs {
  const int64_t* fixed;  // [N] confidence in fixed point, sorted by (bin, correct)
  const int64_t* cells;  // [2 M + 1] where each cell (bin * 2 + correct) begins
  int64_t samples;       // N
  int64_t bins;          // M
  double unit;           // 2^-s
  int64_t seed;
};

// s of the fixed point: N confidences below 2^s each fit 63 bits; 52 bits are all that a double in [0.5, 1]
// holds.
inline int fixed_point_bits(int64_t samples) {
  int log2 = 1;
  while ((int64_t{1} << log2) < samples) ++log2;
  const int bits = 62 - log2;
  return bits < 52 ? bits : 52;
}

inline int64_t to_fixed(double confidence, int bits) {
  return static_cast<int64_t>(::rint(::ldexp(confidence, bits)));
}

}  // namespace calibench
