// Thresholds on the device: the definition p_k >= t_k, and bounds that decide nearly all scores without it.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace calibench {

// The bounds of one class, or of all classes. Between them the definition decides.
struct Bounds {
  float lower;  // a value below it does not pass
  float upper;  // a value above it passes
};

struct Thresholds {
  const double* values;
  int64_t stride;  // 0 if there is one threshold for all classes
  int64_t count;
  bool strict;       // a class passes if p > t, not if p >= t
  Bounds* bounds;    // [count]
  double* smallest;  // smallest threshold
};

// Computes bounds of log2 p_k, and the smallest threshold.
cudaError_t prepare_softmax(const Thresholds& thresholds, cudaStream_t stream);

// Computes bounds of the score, and the smallest threshold.
cudaError_t prepare_sigmoid(const Thresholds& thresholds, cudaStream_t stream);

// Bytes of `smallest` (padded) and `bounds`.
constexpr int64_t kSmallestBytes = 16;
inline int64_t thresholds_bytes(int64_t count) {
  return kSmallestBytes + count * static_cast<int64_t>(sizeof(Bounds));
}

#if defined(__CUDACC__)
__device__ __forceinline__ bool passes(const Thresholds& thresholds, double p, int64_t k) {
  const double t = thresholds.values[k * thresholds.stride];
  return thresholds.strict ? p > t : p >= t;
}

#endif

}  // namespace calibench
