// What every instruction set shares. Included under a target pragma: everything here is inlined by force or
// local to the file, or the linker could keep an AVX-512 copy for a processor without it. For the same reason
// no std:: function is called in simd/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../core/types.h"

#define CALIBENCH_INLINE static inline __attribute__((always_inline))
#define CALIBENCH_FUNCTION static __attribute__((noinline))  // large: one copy a type keeps the build short
#define CALIBENCH_UNLIKELY(condition) __builtin_expect(static_cast<bool>(condition), 0)

namespace calibench::CALIBENCH_ISA {

template <typename T>
CALIBENCH_INLINE T least(T a, T b) {
  return b < a ? b : a;
}

CALIBENCH_INLINE float to_float(float x) { return x; }
CALIBENCH_INLINE float to_float(BFloat16 x) { return static_cast<float>(to_double(x)); }
CALIBENCH_INLINE float to_float(Float16 x) { return static_cast<float>(to_double(x)); }

}  // namespace calibench::CALIBENCH_ISA
