// calibration_update on CUDA. The device adds a batch if the fault shows no bad row.
#include "calibration_stats.h"
#include "device.h"
#include "row_plan.h"

namespace calibench {
namespace {

__global__ void add_state(const double* batch, const int64_t* batch_fault, const int64_t* fault, int64_t rows,
                          double* state) {
  if (batch_fault[0] != kNoBadRow || fault[0] != kNoBadRow) return;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (row >= rows) return;
  const double* batch_row = batch + row * kStateColumns;
  double* state_row = state + row * kStateColumns;
  state_row[0] += batch_row[0];
  state_row[1] += batch_row[1];
  add_pair(state_row + 2, Sum{batch_row[2], batch_row[3]});
}

// Must run after add_state, whose blocks all read the fault before it changes.
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
