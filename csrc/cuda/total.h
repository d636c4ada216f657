// Compensated sums over the threads of a block and over the blocks of a
// grid, in a fixed order, without float atomics.
#pragma once

#include "../core/sum.h"
#include "group.h"

namespace calibench {

// The sum over the lanes of a warp; valid in lane 0.
__device__ __forceinline__ Sum warp_total(Sum value) {
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) {
    const double sum = __shfl_down_sync(kAllLanes, value.sum, step);
    const double carry = __shfl_down_sync(kAllLanes, value.carry, step);
    value.add(Sum{sum, carry});
  }
  return value;
}

// The sum over the kThreads threads of a block; valid in thread 0. All threads must call it.
__device__ __forceinline__ Sum block_total(Sum value) {
  __shared__ double sums[kWarps];
  __shared__ double carries[kWarps];
  value = warp_total(value);
  __syncthreads();  // an earlier call may still be reading the sums
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

// Adds up the sums that the blocks of a grid wrote. All threads of one block must call it; valid in thread 0.
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
