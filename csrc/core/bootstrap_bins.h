// Arguments and fixed-point numbers of bootstrap_bins. Samples are sorted by cell (bin * 2 + correct), drawn
// by position and summed in fixed point, so the result does not depend on the order of summation.
#pragma once

#include <cmath>

#include "bins.h"
#include "philox.h"

namespace calibench {

struct BootstrapArgs {
  const int16_t* digits;  // [4, N] confidence in fixed point, base 2^15, lowest digit first; sorted by cell
  const int64_t* cell_begins;  // [2 M + 1] position of the first sample of each cell (bin * 2 + correct)
  int64_t samples;             // N
  int64_t bins;                // M
  double unit;                 // 2^-s, s = fixed_point_bits(N)
  int64_t seed;
};

// Bits s after the binary point. The sum of N confidences below 2^s must fit 63 bits; a
// double in [0.5, 1] has no more than 52 bits.
inline int fixed_point_bits(int64_t samples) {
  int log2 = 1;
  while ((int64_t{1} << log2) < samples) ++log2;
  const int bits = 62 - log2;
  return bits < 52 ? bits : 52;
}

inline int64_t to_fixed(double confidence, int bits) {
  return static_cast<int64_t>(::rint(::ldexp(confidence, bits)));
}

// Digits have 15 bits so that a digit fits the signed 16-bit multiply-add of every processor.
constexpr int kDigits = 4;
constexpr int kDigitBits = 15;

// Writes the digits of one value to out[0], out[samples], out[2 * samples], ...
inline void to_digits(int64_t fixed, int64_t samples, int16_t* out) {
  for (int d = 0; d < kDigits; ++d) {
    out[d * samples] = static_cast<int16_t>(fixed >> (kDigitBits * d) & ((1 << kDigitBits) - 1));
  }
}

inline int64_t from_digits(const int16_t* digits, int64_t samples) {
  int64_t fixed = 0;
  for (int d = kDigits - 1; d >= 0; --d) fixed = (fixed << kDigitBits) + digits[d * samples];
  return fixed;
}

}  // namespace calibench
