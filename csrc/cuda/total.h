// Compensated sums over the threads of a block and over the blocks of a grid, in a fixed order: no float
// atomics.
#pragma once

#include "../core/sum.h"
#include "group.h"

namespace calibench {

__device__ __forceinline__ Sum make_sum(double sum, double carry) {
  Sum made;
  made.sum = sum;
  made.carry = carry;
  return made;
}

// Of the lanes of a warp; right in lane 0.
__device__ __forceinline__ Sum warp_total(Sum mine) {
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) {
    const double sum = __shfl_down_sync(kAllLanes, mine.sum, step);
    const double carry = __shfl_down_sync(kAllLanes, mine.carry, step);
    mine.add(make_sum(sum, carry));
  }
  return mine;
}

// Of the threads of a block of kThreads; right in thread 0. All threads call it.
__device__ __forceinline__ Sum block_total(Sum mine) {
  __shared__ double sums[kWarps];
  __shared__ double carries[kWarps];
  mine = warp_total(mine);
  __syncthreads();  // whoever still reads the sums of an earlier call
  if (threadIdx.x % kWarp == 0) {
    sums[threadIdx.x / kWarp] = mine.sum;
    carries[threadIdx.x / kWarp] = mine.carry;
  }
  __syncthreads();
  for (int warp = 1; threadIdx.x == 0 && warp < kWarps; ++warp) mine.add(make_sum(sums[warp], carries[warp]));
  return mine;
}

// Counts are whole numbers below 2^53: float64 adds them without error in any order.
__device__ __forceinline__ double block_total(double mine) {
  return block_total(make_sum(mine, 0.0)).value();
}

// What each block of a grid left of a sum, at partial[block]; of all threads of one block, right in thread 0.
__device__ __forceinline__ Sum grid_total(const double* sums, const double* carries, int64_t blocks) {
  Sum mine;
  for (int64_t b = threadIdx.x; b < blocks; b += kThreads) mine.add(make_sum(sums[b], carries[b]));
  return block_total(mine);
}

__device__ __forceinline__ double grid_total(const double* counts, int64_t blocks) {
  double mine = 0.0;
  for (int64_t b = threadIdx.x; b < blocks; b += kThreads) mine += counts[b];
  return block_total(mine);
}

}  // namespace calibench
