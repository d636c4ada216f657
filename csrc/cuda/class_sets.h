// Sets of classes: in a lane, one bit for each of its 32 registers; in memory, one byte of 0 or 1 per class.
#pragma once

#include "matrix.h"

namespace calibench {

struct SetOutputs {
  uint8_t* sets;   // [N, K]
  int64_t* sizes;  // [N]
};

// The registers of this lane that contain a score, one bit each.
template <typename T>
__device__ __forceinline__ unsigned valid_registers(const Stretch& stretch, const Group& group,
                                                    bool aligned) {
  const int step = aligned ? kVectorScores<T> : 1;
  const int remaining = stretch.length - group.sub * step;
  const int vectors = remaining <= 0 ? 0 : (remaining + group.lanes * step - 1) / (group.lanes * step);
  const int count = vectors * step;
  return count >= kLaneScores ? 0xffffffffu : (1u << count) - 1;
}

// The low four bits as four bytes of 0 or 1.
__device__ __forceinline__ unsigned bits_to_bytes(unsigned bits) {
  return (bits & 15u) * 0x00204081u & 0x01010101u;
}

template <typename T>
__device__ __forceinline__ void store_set(unsigned inside, unsigned valid, const Matrix<T>& matrix,
                                          const Stretch& stretch, const Group& group, uint8_t* sets) {
  constexpr int kStep = kVectorScores<T>;
  uint8_t* row_set = sets + stretch.row * matrix.classes + stretch.begin;
  if (matrix.aligned) {  // then K and every offset are multiples of kStep
#pragma unroll
    for (int i = 0; i < kLaneScores; i += kStep) {
      if (!(valid >> i & 1)) continue;
      uint8_t* target = row_set + register_position<T>(i, group, true);
#pragma unroll
      for (int q = 0; q < kStep; q += kQuad)
        *reinterpret_cast<unsigned*>(target + q) = bits_to_bytes(inside >> (i + q));
    }
    return;
  }
#pragma unroll 4
  for (int i = 0; i < kLaneScores; ++i) {
    if (valid >> i & 1) row_set[register_position<T>(i, group, false)] = inside >> i & 1;
  }
}

}  // namespace calibench
