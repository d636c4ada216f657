// calibration_update on CUDA: whether a batch counts is decided on the device, by what its rows left in the
// fault.
#include "../core/sum.h"
#include "calibration_stats.h"
#include "device.h"
#include "plan.h"

namespace calibench {
namespace {

__global__ void add_state(const double* batch, const int64_t* batch_fault, const int64_t* fault, int64_t rows,
                          double* state) {
  if (batch_fault[0] != kNoBadRow || fault[0] != kNoBadRow) return;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (row >= rows) return;
  const double* from = batch + row * kStateColumns;
  double* to = state + row * kStateColumns;
  Sum all;
  all.sum = to[2];
  all.carry = to[3];
  Sum part;
  part.sum = from[2];
  part.carry = from[3];
  all.add(part);
  to[0] += from[0];
  to[1] += from[1];
  to[2] = all.sum;
  to[3] = all.carry;
}

// Only after add_state, all of whose blocks look at the fault as it was.
__global__ void keep_fault(const int64_t* batch_fault, int64_t* fault) {
  if (fault[0] != kNoBadRow || batch_fault[0] == kNoBadRow) return;
  fault[0] = batch_fault[0];
  fault[1] = batch_fault[1];
}

}  // namespace

cudaError_t add_batch(const double* batch, const int64_t* batch_fault, int64_t bins, double* state,
                      int64_t* fault, cudaStream_t stream) {
  const int64_t rows = bins + 2;
  const cudaError_t error = launch(add_state, divide_up(rows, kThreads), kThreads, 0, stream, batch,
                                   batch_fault, fault, rows, state);
  return error != cudaSuccess ? error : launch(keep_fault, 1, 1, 0, stream, batch_fault, fault);
}

}  // namespace calibench
