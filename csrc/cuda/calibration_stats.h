// Between the .cu files, which nvcc compiles without torch's headers, and their torch sides.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/calibration_stats.h"

namespace calibench {

// Up to here every thread keeps its own bins in shared memory, 20 bytes each: 80 KiB a block. More bins are
// summed after the samples have been sorted by bin.
constexpr int64_t kMostColumns = 32;

// Bytes of scratch that sum_batch needs: O(N + M), and without many bins O(M) times at most 8192 blocks.
int64_t batch_bytes(const CalibrationArgs& args);

// The sums of all rows as a state of calibration_update, `batch` [M + 2, 4]; what is wrong with the lowest
// bad row in `fault`, and then the sums mean nothing. `samples` is [5, N] or null.
cudaError_t sum_batch(const CalibrationArgs& args, void* scratch, double* batch, double* samples,
                      int64_t* fault, cudaStream_t stream);

// bin_sums [3, M] and totals [4] of a batch.
cudaError_t read_batch(const double* batch, int64_t bins, double* bin_sums, double* totals,
                       cudaStream_t stream);

// Adds a batch to `state` unless it, or a batch before it, was bad; keeps the first fault.
cudaError_t add_batch(const double* batch, const int64_t* batch_fault, int64_t bins, double* state,
                      int64_t* fault, cudaStream_t stream);

}  // namespace calibench
