// Kernels of one thread per number, without shared memory and without waiting for each other.
#pragma once

#include <climits>

#include "row_plan.h"

namespace calibench {

// Launches at least `threads` threads; each compares its thread_index() with the number that there is to do.
template <typename... Params, typename... Args>
cudaError_t launch_threads(void (*kernel)(Params...), int64_t threads, cudaStream_t stream,
                           const Args&... args) {
  const int64_t blocks = divide_up(threads, kThreads);
  if (blocks > INT_MAX) return cudaErrorInvalidConfiguration;
  return launch(kernel, blocks, kThreads, 0, stream, args...);
}

__device__ __forceinline__ int64_t thread_index() {
  return static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
}

}  // namespace calibench
