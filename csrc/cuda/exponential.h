// e^x in float32 relative to a power of two, for terms that are then summed.
//
// e^x = 2^(x hi + x lo) with hi + lo = log2(e). Against a whole number c the exponent splits exactly: n =
// round(x hi - c) is read off a float of 1.5 * 2^23 + n, f = x hi - (n + c) + x lo rounds at most at 2^-25,
// and 2^f costs one instruction. So a term is within about 3e-7 whatever x is, where the exponential of a
// rounded x - max is off by 4e-6 at x - max = -64. Eight instructions a term; an H200 has room for about 25 a
// float32 that it reads.
#pragma once

#include "device.h"

namespace calibench {

constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23
constexpr float kFar = 1048576.0f;     // 2^20: up to here |x| log2(e) is a whole number's reach of float32
constexpr double kLog2E = 1.4426950408889634;
// hi is rounded up, so that lo is negative: then -inf gives inf - inf, and a NaN in the sum tells of any bad
// number.
constexpr float kLog2EHigh = 1.44269514083862304688f;
constexpr float kLog2ELow = -9.9949727e-8f;
constexpr float kLowest = -120.0f;  // 2^n below it counts as this, times 2^f of a very negative f: as 0

// exp(x b) 2^-c for every x of a row: b is 1, or an inverse temperature.
struct Exponential {
  float high;   // b log2(e), rounded up
  float low;    // what is left of it
  float shift;  // kMagic - c

  __device__ __forceinline__ float operator()(float x) const {
    const float z = fmaxf(__fmaf_rn(x, high, shift), kMagic + kLowest);
    const float whole = __fsub_rn(z, shift);
    const float rest = __fmaf_rn(x, low, __fmaf_rn(x, high, -whole));
    return exp2_unit(rest) * __uint_as_float((__float_as_uint(z) << 23) + 0x3f800000u);
  }
};

// c for terms of which the largest is about exp(x b). Scores below -2^20 / b are lost, beside any row that is
// decided here.
__device__ __forceinline__ float whole_exponent(float x, float high, float far) {
  return rintf(fmaxf(x, -far) * high);
}

}  // namespace calibench
