// Computes the bounds of thresholds with one block.
#include <cmath>

#include "device.h"
#include "thresholds.h"

namespace calibench {
namespace {

constexpr Bounds kAlways{-INFINITY, -INFINITY};    // every finite score passes
constexpr Bounds kNever{INFINITY, INFINITY};       // no finite score passes
constexpr Bounds kUndecided{-INFINITY, INFINITY};  // the definition decides

__device__ Bounds bounds_around(double middle, double margin) {
  return {__double2float_rd(middle - margin), __double2float_ru(middle + margin)};
}

// Bounds of log2 p_k. log_probability.h gives it with an error of 8e-6 + 4e-7 |log2 p_k|, most
// of it from the logarithm of a sum over up to 2^20 classes. Near 2^-1022, where p_k loses
// digits in float64, only the definition can decide.
struct SoftmaxBounds {
  __device__ Bounds operator()(double t, bool strict) const {
    if (t < 0.0 || (t == 0.0 && !strict)) return kAlways;
    if (t > 1.0) return kNever;
    if (!(t >= 1e-300)) return kUndecided;
    const double log_threshold = log2(t);
    return bounds_around(log_threshold, 1.2e-5 - 1e-6 * log_threshold);
  }
};

// Bounds of the score, around ln(t / (1 - t)). In float64 p is 1 from x = 37 on, because 1 - p is too small,
// and 0 below x = -709.8, where exp(-x) overflows.
struct SigmoidBounds {
  __device__ Bounds operator()(double t, bool strict) const {
    if (t < 0.0 || (t == 0.0 && !strict)) return kAlways;
    if (t > 1.0 || (t == 1.0 && strict)) return kNever;
    if (t != t) return kUndecided;
    if (t < 1e-300) return {-1000.0f, -600.0f};
    if (1.0 - t < 1e-10) return {20.0f, 50.0f};
    return bounds_around(log(t) - log1p(-t), 1e-5);
  }
};

template <typename Rule>
__global__ void __launch_bounds__(kThreads) prepare(Thresholds thresholds, Rule rule) {
  __shared__ double warp_sums[kWarps];
  double smallest = INFINITY;
  for (int64_t k = threadIdx.x; k < thresholds.count; k += kThreads) {
    const double t = thresholds.values[k * thresholds.stride];
    thresholds.bounds[k] = rule(t, thresholds.strict);
    smallest = fmin(smallest, t);
  }
  __syncwarp();
  for (int step = kWarp / 2; step > 0; step /= 2)
    smallest = fmin(smallest, __shfl_xor_sync(kAllLanes, smallest, step));
  if (threadIdx.x % kWarp == 0) warp_sums[threadIdx.x / kWarp] = smallest;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int warp = 1; warp < kWarps; ++warp) smallest = fmin(smallest, warp_sums[warp]);
  *thresholds.smallest = smallest;
}

}  // namespace

cudaError_t prepare_softmax(const Thresholds& thresholds, cudaStream_t stream) {
  return launch(prepare<SoftmaxBounds>, 1, kThreads, 0, stream, thresholds, SoftmaxBounds{});
}

cudaError_t prepare_sigmoid(const Thresholds& thresholds, cudaStream_t stream) {
  return launch(prepare<SigmoidBounds>, 1, kThreads, 0, stream, thresholds, SigmoidBounds{});
}

}  // namespace calibench
