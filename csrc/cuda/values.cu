// Kernels that look for a bad value. Threads that find one all write the same number.
#include "threads.h"
#include "values.h"

namespace calibench {
namespace {

__global__ void __launch_bounds__(kThreads)
    look_outside(const int32_t* indices, int64_t count, int64_t limit, int32_t* found) {
  const int64_t i = thread_index();
  if (i < count && (indices[i] < 0 || indices[i] >= limit)) *found = 1;
}

__global__ void __launch_bounds__(kThreads)
    look_for_fall(const int64_t* ends, int64_t count, int64_t most, int32_t* found) {
  const int64_t i = thread_index();
  if (i < count && (ends[i] < (i == 0 ? 0 : ends[i - 1]) || ends[i] > most)) *found = 1;
}

__global__ void __launch_bounds__(kThreads)
    look_for_label(LabelView labels, int64_t rows, int64_t classes, int32_t* found) {
  const int64_t i = thread_index();
  if (i < rows && (labels.at(i) < 0 || labels.at(i) >= classes)) *found = 1;
}

}  // namespace

cudaError_t find_outside(const int32_t* indices, int64_t count, int64_t limit, int32_t* found,
                         cudaStream_t stream) {
  const cudaError_t error = cudaMemsetAsync(found, 0, sizeof(*found), stream);
  return error != cudaSuccess ? error
                              : launch_threads(look_outside, count, stream, indices, count, limit, found);
}

cudaError_t find_falling(const int64_t* ends, int64_t count, int64_t most, int32_t* found,
                         cudaStream_t stream) {
  const cudaError_t error = cudaMemsetAsync(found, 0, sizeof(*found), stream);
  return error != cudaSuccess ? error
                              : launch_threads(look_for_fall, count, stream, ends, count, most, found);
}

cudaError_t find_bad_label(const LabelView& labels, int64_t rows, int64_t classes, int32_t* found,
                           cudaStream_t stream) {
  const cudaError_t error = cudaMemsetAsync(found, 0, sizeof(*found), stream);
  return error != cudaSuccess ? error
                              : launch_threads(look_for_label, rows, stream, labels, rows, classes, found);
}

}  // namespace calibench
