// The interface between calibration_stats.cu, calibration_update.cu and their .cpp files. nvcc
// compiles the .cu files without torch's headers.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/calibration_stats.h"

namespace calibench {

// Up to this number of bins every thread keeps its own bins in shared memory, 20 bytes each: 80 KiB per
// block. With more bins the samples are sorted by bin and then summed.
constexpr int64_t kMaxSharedBins = 32;

// Bytes of scratch for sum_batch: O(N + M) with many bins; with few, O(M) for each of at most 8192 blocks.
int64_t batch_bytes(const CalibrationArgs& args);

// Writes the sums of all rows to `batch` [M + 2, 4], laid out as the state of calibration_update, and the
// lowest bad row to `fault`. If there is a bad row, the sums are meaningless. `samples` is [5, N] or null.
cudaError_t sum_batch(const CalibrationArgs& args, void* scratch, double* batch, double* samples,
                      int64_t* fault, cudaStream_t stream);

// Writes a batch to bin_sums [3, M] and totals [4].
cudaError_t read_batch(const double* batch, int64_t bins, double* bin_sums, double* totals,
                       cudaStream_t stream);

// Adds a batch to `state`, unless this batch or an earlier one has a bad row. Keeps the first fault.
cudaError_t add_batch(const double* batch, const int64_t* batch_fault, int64_t bins, double* state,
                      int64_t* fault, cudaStream_t stream);

}  // namespace calibench
