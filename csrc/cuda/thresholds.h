// Thresholds on the device: the definition p_k >= t_k, and bounds that decide it for nearly all scores
// without it.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace calibench {

// Of class k, or of all classes; what lies between the bounds is asked by the definition.
struct Bounds {
  float lower;  // a score below it does not pass
  float upper;  // a score above it does
};

struct Thresholds {
  const double* values;
  int64_t stride;  // 0: one for all
  int64_t count;
  bool strict;       // p > t rather than p >= t
  Bounds* bounds;    // [count]
  double* smallest;  // of all of them
};

// bounds in terms of log2 p_k.
cudaError_t prepare_softmax(const Thresholds& thresholds, cudaStream_t stream);

// bounds in terms of the score.
cudaError_t prepare_sigmoid(const Thresholds& thresholds, cudaStream_t stream);

// Bytes behind `bounds` and `least`.
constexpr int64_t kSmallestBytes = 16;
inline int64_t thresholds_bytes(int64_t count) {
  return kSmallestBytes + count * static_cast<int64_t>(sizeof(Bounds));
}

#if defined(__CUDACC__)
__device__ __forceinline__ bool passes(const Thresholds& thresholds, double p, int64_t k) {
  const double t = thresholds.values[k * thresholds.stride];
  return thresholds.strict ? p > t : p >= t;
}

__device__ __forceinline__ Bounds bounds_of(const Thresholds& thresholds, int64_t k) {
  return thresholds.bounds[thresholds.count == 1 ? 0 : k];
}
#endif

}  // namespace calibench
