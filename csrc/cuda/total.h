// Compensated sums over the threads of a block and over the blocks of a grid, in a fixed order: no float
// atomics.
#pragma once

#include "../core/sum.h"
#include "group.h"

namespace calibench {

// Of the lanes of a warp; right in lane 0.
__device__ __forceinline__ Sum warp_total(Sum value) {
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) {
    const double sum = __shfl_down_sync(kAllLanes, value.sum, step);
    const double carry = __shfl_down_sync(kAllLanes, value.carry, step);
    value.add(Sum{sum, carry});
  }
  return value;
}

// Of the threads of a block of kThreads; right in thread 0. All threads call it.
__device__ __forceinline__ Sum block_total(Sum value) {
  __shared__ double sums[kWarps];
  __shared__ double carries[kWarps];
  value = warp_total(value);
  __syncthreads();  // whoever still reads the sums of an earlier call
  if (threadIdx.x % kWarp == 0) {
    sums[threadIdx.x / kWarp] = value.sum;
    carries[threadIdx.x / kWarp] = value.carry;
  }
  __syncthreads();
  for (int warp = 1; threadIdx.x == 0 && warp < kWarps; ++warp) value.add(Sum{sums[warp], carries[warp]});
  return value;
}

// Counts are whole numbers below 2^53: float64 adds them without error in any order.
__device__ __forceinline__ double block_total(double value) { return block_total(Sum{value, 0.0}).value(); }

// What each block of a grid left of a sum, at partial[block]; of all threads of one block, right in thread 0.
__device__ __forceinline__ Sum grid_total(const double* sums, const double* carries, int64_t blocks) {
  Sum value;
  for (int64_t b = threadIdx.x; b < blocks; b += kThreads) value.add(Sum{sums[b], carries[b]});
  return block_total(value);
}

__device__ __forceinline__ double grid_total(const double* counts, int64_t blocks) {
  double value = 0.0;
  for (int64_t b = threadIdx.x; b < blocks; b += kThreads) value += counts[b];
  return block_total(value);
}

}  // namespace calibench
