// A warp divided into 32 / L groups of L lanes, one row per group, L a power of two; and reductions over a
// group, whose result every lane gets. All 32 lanes must make each call together, also those without a row.
#pragma once

#include "device.h"

namespace calibench {

struct Group {
  int lanes;  // L
  int sub;    // index of this lane in its group
  int index;  // of the group in its warp

  __device__ explicit Group(int lanes_)
      : lanes(lanes_), sub(threadIdx.x % kWarp % lanes_), index(threadIdx.x % kWarp / lanes_) {}
};

// redux.sync is one instruction, but only for integers and whole warps:
// floats are mapped to integers in the same order.
__device__ __forceinline__ float group_max(float value, int lanes) {
  if (lanes == kWarp) {
    int key = __float_as_int(value);
    key ^= (key >> 31) & 0x7fffffff;
    key = __reduce_max_sync(kAllLanes, key);
    return __int_as_float(key ^ ((key >> 31) & 0x7fffffff));
  }
  for (int step = lanes / 2; step > 0; step /= 2)
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, step));
  return value;
}

__device__ __forceinline__ double group_max(double value, int lanes) {
  for (int step = lanes / 2; step > 0; step /= 2)
    value = fmax(value, __shfl_xor_sync(kAllLanes, value, step));
  return value;
}

__device__ __forceinline__ unsigned group_min(unsigned value, int lanes) {
  if (lanes == kWarp) return __reduce_min_sync(kAllLanes, value);
  for (int step = lanes / 2; step > 0; step /= 2) value = min(value, __shfl_xor_sync(kAllLanes, value, step));
  return value;
}

__device__ __forceinline__ unsigned group_sum(unsigned value, int lanes) {
  if (lanes == kWarp) return __reduce_add_sync(kAllLanes, value);
  for (int step = lanes / 2; step > 0; step /= 2) value += __shfl_xor_sync(kAllLanes, value, step);
  return value;
}

__device__ __forceinline__ unsigned group_or(unsigned value, int lanes) {
  if (lanes == kWarp) return __reduce_or_sync(kAllLanes, value);
  for (int step = lanes / 2; step > 0; step /= 2) value |= __shfl_xor_sync(kAllLanes, value, step);
  return value;
}

// A butterfly: every lane adds in the same tree, so all lanes get the same bits.
__device__ __forceinline__ double group_sum(double value, int lanes) {
  for (int step = lanes / 2; step > 0; step /= 2) value += __shfl_xor_sync(kAllLanes, value, step);
  return value;
}

}  // namespace calibench
