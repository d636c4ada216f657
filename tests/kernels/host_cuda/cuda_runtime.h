// The words of CUDA that the kernels of judging use, for a C++ compiler.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cmath>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(threads)

using std::max;
using std::min;

struct Index {
  int64_t x;
};
inline thread_local Index blockIdx, threadIdx;

inline int64_t __double_as_longlong(double x) {
  int64_t bits;
  memcpy(&bits, &x, sizeof(bits));
  return bits;
}
inline double __longlong_as_double(int64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof(x));
  return x;
}
template <typename T, typename U>
T atomicAdd(T* number, U value) {
  const T before = *number;
  *number = before + static_cast<T>(value);
  return before;
}
