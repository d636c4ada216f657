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
constexpr int32_t kRootHalfBitsF = 0x3f3504f3;         // and as a float

constexpr int64_t kSetClasses = 32;  // classes of a set in 32 bits
alignas(64) static const uint32_t kBits[kSetClasses] = {
    1u << 0,  1u << 1,  1u << 2,  1u << 3,  1u << 4,  1u << 5,  1u << 6,  1u << 7,
    1u << 8,  1u << 9,  1u << 10, 1u << 11, 1u << 12, 1u << 13, 1u << 14, 1u << 15,
    1u << 16, 1u << 17, 1u << 18, 1u << 19, 1u << 20, 1u << 21, 1u << 22, 1u << 23,
    1u << 24, 1u << 25, 1u << 26, 1u << 27, 1u << 28, 1u << 29, 1u << 30, 1u << 31};

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
