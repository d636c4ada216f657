// Number types in memory and their exact conversion to float64. No torch; for host and device.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define CALIBENCH_HD __host__ __device__ __forceinline__
#else
#define CALIBENCH_HD inline __attribute__((always_inline))  // see simd/scalar.h
#endif

namespace calibench {

enum class ScoreType { kFloat64, kFloat32, kBFloat16, kFloat16 };
enum class LabelType { kInt64, kInt32, kUInt8 };

// Two bytes each. Types of torch or cuda_fp16.h are not used, so that core/ compiles without them.
struct BFloat16 {
  uint16_t bits;
};
struct Float16 {
  uint16_t bits;
};

CALIBENCH_HD float float_from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

CALIBENCH_HD double to_double(double value) { return value; }
CALIBENCH_HD double to_double(float value) { return static_cast<double>(value); }
CALIBENCH_HD double to_double(BFloat16 value) {
  return float_from_bits(static_cast<uint32_t>(value.bits) << 16);
}

CALIBENCH_HD double to_double(Float16 value) {
  const uint32_t sign = static_cast<uint32_t>(value.bits & 0x8000u) << 16;
  const uint32_t exponent = (value.bits >> 10) & 0x1fu;
  const uint32_t mantissa = value.bits & 0x3ffu;
  if (exponent == 0) {  // zero and subnormals: mantissa * 2^-24, exact
    const double magnitude = static_cast<double>(mantissa) * 0x1p-24;
    return sign ? -magnitude : magnitude;
  }
  // The exponent bias changes by 127 - 15 = 112; exponent 31 is infinity or NaN in float16, 255 in float32.
  const uint32_t wide = exponent == 31 ? 255u : exponent + 112u;
  return float_from_bits(sign | (wide << 23) | (mantissa << 13));
}

// x - x is 0 for every x but NaN and infinity. (-ffast-math would break this; it is not used.)
CALIBENCH_HD bool is_finite(double value) { return value - value == 0.0; }

// One label per row. A switch per row costs nothing compared with the row,
// and it saves three copies of every kernel.
struct LabelView {
  const void* data;
  int64_t stride;
  LabelType type;

  CALIBENCH_HD int64_t at(int64_t row) const {
    const int64_t index = row * stride;
    switch (type) {
      case LabelType::kInt32:
        return static_cast<const int32_t*>(data)[index];
      case LabelType::kUInt8:
        return static_cast<const uint8_t*>(data)[index];
      default:
        return static_cast<const int64_t*>(data)[index];
    }
  }
};

}  // namespace calibench
