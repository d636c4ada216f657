// e^x in float32 relative to a power of two, for terms of a sum.
//
// e^x = 2^(x hi + x lo) with hi + lo = log2(e). Relative to a whole number c the exponent splits exactly:
// n = round(x hi - c) is in the low bits of the float 1.5 * 2^23 + n, f = x hi - (n + c) + x lo has a
// rounding error of at most 2^-25, and 2^f takes one instruction. A term has a relative error of about 3e-7
// for every x; the exponential of a rounded x - max would have 4e-6 at x - max = -64. A term takes eight
// instructions; an H200 has time for about 25 per float32 that it reads.
#pragma once

#include "device.h"

namespace calibench {

constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23; adding it rounds to an integer
constexpr float kFar = 1048576.0f;  // 2^20: up to this |x|, float32 can represent round(x log2(e)) + kMagic
constexpr double kLog2E = 1.4426950408889634;
// hi is rounded up, so lo is negative: then the term of x = -inf is inf - inf, and the sum is NaN if any
// number is not finite.
constexpr float kLog2EHigh = 1.44269514083862304688f;
constexpr float kLog2ELow = -9.9949727e-8f;
constexpr float kLowest = -120.0f;  // n is at least this; f is then very negative, so the term is 0

// exp(x b) 2^-c for the scores x of a row. b is 1 or an inverse temperature.
struct Exponential {
  float high;   // b log2(e), rounded up
  float low;    // b log2(e) - high
  float shift;  // kMagic - c

  __device__ __forceinline__ float operator()(float x) const {
    const float z = fmaxf(__fmaf_rn(x, high, shift), kMagic + kLowest);
    const float whole = __fsub_rn(z, shift);
    const float rest = __fmaf_rn(x, low, __fmaf_rn(x, high, -whole));
    return exp2_unit(rest) * __uint_as_float((__float_as_uint(z) << 23) + 0x3f800000u);
  }
};

// c for terms of which the largest is about exp(x b). Terms of scores below -2^20 / b are lost, which does
// not matter in a row that float32 decides.
__device__ __forceinline__ float whole_exponent(float x, float high, float far) {
  return rintf(fmaxf(x, -far) * high);
}

}  // namespace calibench
