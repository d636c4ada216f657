// Numbers as they lie in memory, read as float64 without loss; no torch, host and device.
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

// Two bytes each; own types so that core/ compiles without torch and without cuda_fp16.h.
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
  // 127 - 15 = 112 moves the bias; exponent 31 is infinity or NaN in both formats.
  const uint32_t wide = exponent == 31 ? 255u : exponent + 112u;
  return float_from_bits(sign | (wide << 23) | (mantissa << 13));
}

// NaN and infinity are the only values whose difference with themselves is not 0 (no -ffast-math here).
CALIBENCH_HD bool is_finite(double value) { return value - value == 0.0; }

// One label a row. A switch per row costs nothing beside the row and saves three copies of every kernel.
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
