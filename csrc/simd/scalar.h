// Macros and scalar functions that every instruction set uses. This file is included
// under a target pragma, so every function here must be always inlined or local to
// the file: otherwise the linker could keep an AVX-512 copy for a processor without
// AVX-512. For the same reason nothing in simd/ calls an inline std:: function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../core/types.h"

#define CALIBENCH_INLINE static inline __attribute__((always_inline))
#define CALIBENCH_FUNCTION \
  static __attribute__((noinline))  // large functions: one copy per type keeps the build short
#define CALIBENCH_UNLIKELY(condition) __builtin_expect(static_cast<bool>(condition), 0)

namespace calibench::CALIBENCH_ISA {

constexpr int64_t kRootHalfBits = 0x3fe6a09e667f3bcd;  // of sqrt(1/2) as a double
constexpr int32_t kRootHalfBitsF = 0x3f3504f3;          // and as a float

constexpr double kCountFrom = 0x1p52;   // for count_lanes of doubles
constexpr float kCountFromF = 0x1p23f;  // and of floats

template <typename T>
CALIBENCH_INLINE T min_of(T a, T b) {
  return b < a ? b : a;
}

// The set of rows 0 .. n - 1, for n in 1 .. 64.
CALIBENCH_INLINE uint64_t first_bits(int n) { return ~uint64_t{0} >> (64 - n); }

CALIBENCH_INLINE float to_float(float x) { return x; }
CALIBENCH_INLINE float to_float(BFloat16 x) { return static_cast<float>(to_double(x)); }
CALIBENCH_INLINE float to_float(Float16 x) { return static_cast<float>(to_double(x)); }

}  // namespace calibench::CALIBENCH_ISA
