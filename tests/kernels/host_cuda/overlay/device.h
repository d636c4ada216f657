// In place of csrc/cuda/device.h: a launch is a loop over all threads, in falling order if REVERSE is set.
#pragma once

#include <cuda_runtime.h>

#include <cstdlib>

#include "../core/types.h"

namespace calibench {

constexpr int kThreads = 128;

template <typename... Params, typename... Args>
cudaError_t launch(void (*kernel)(Params...), int64_t blocks, int threads, size_t, cudaStream_t,
                   const Args&... args) {
  static const bool reverse = std::getenv("REVERSE") != nullptr;
  for (int64_t t = 0; t < blocks * threads; ++t) {
    const int64_t i = reverse ? blocks * threads - 1 - t : t;
    blockIdx.x = i / threads;
    threadIdx.x = i % threads;
    kernel(args...);
  }
  return cudaSuccess;
}

}  // namespace calibench
