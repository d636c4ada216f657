// exp and log with the steps of simd/class_rows.h, one by one and without fused multiplication (nvcc runs
// with
// --fmad=false): the bits are those of the CPU.
#pragma once

#include "device.h"

namespace calibench {

constexpr int64_t kRootHalfBits = 0x3fe6a09e667f3bcd;  // of sqrt(1/2) as a double
constexpr double kLn2High = 6.93147180369123816490e-01;
constexpr double kLn2Low = 1.90821492927058770002e-10;
constexpr double kLog2e = 1.4426950408889634074;
constexpr double kRound = 0x1.8p52;
constexpr double kExpUnderflow = -708.0;

__device__ __forceinline__ int64_t bits_of(double x) { return __double_as_longlong(x); }
__device__ __forceinline__ double double_of(int64_t bits) { return __longlong_as_double(bits); }

// exp(x) for x <= 0, to 2 ulp; below -708 it is 0.
__device__ __forceinline__ double exp_unfused(double x) {
  const double clamped = kExpUnderflow > x ? kExpUnderflow : x;
  const double shifted = clamped * kLog2e + kRound;
  const double n = shifted - kRound;
  const double r = (clamped - n * kLn2High) - n * kLn2Low;
  double p = 0x1.28b408307df80p-22;
  p = p * r + 0x1.72faf41e9d7f6p-19;
  p = p * r + 0x1.a01991a987b0ep-16;
  p = p * r + 0x1.a01978c2c19adp-13;
  p = p * r + 0x1.6c16c187fd096p-10;
  p = p * r + 0x1.1111112dd7cd0p-7;
  p = p * r + 0x1.555555554f0c9p-5;
  p = p * r + 0x1.555555554b74cp-3;
  p = p * r + 0x1.0000000000011p-1;
  p = p * r + 0x1.000000000001ep+0;
  p = p * r + 1.0;
  if (x < kExpUnderflow) return 0.0;
  const uint64_t power = static_cast<uint64_t>(bits_of(shifted)) << 52;
  return double_of(static_cast<int64_t>(static_cast<uint64_t>(bits_of(p)) + power));
}

// ln(x) of positive normal x.
__device__ __forceinline__ double log_unfused(double x) {
  const int64_t raw = bits_of(x) + (0x3ff0000000000000 - kRootHalfBits);
  const double m = double_of((raw & 0x000fffffffffffff) + kRootHalfBits);
  const double e = static_cast<double>((raw >> 52) - 1023);
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double p = 1.0 / 21;
#pragma unroll
  for (int k = 19; k >= 3; k -= 2) p = p * z + 1.0 / k;
  const double tail = s * z * p;
  return e * kLn2High + (e * kLn2Low + (s + tail + (s + tail)));
}

}  // namespace calibench
