// Between the .cu, which nvcc compiles without torch's headers in seconds, and its torch side.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/calibration_stats.h"

namespace calibench {

// `codes[i]` = bin * 2 + correct of row i.
struct RowOutputs {
  double* samples;                // [5, N]
  int64_t* codes;                 // [N]
  unsigned long long* first_bad;  // one; all bits set: none, else bad_row_code
};

// One thread a row, with core/row.h. Each call returns what cudaGetLastError says after the launch.
cudaError_t launch_rows(const CalibrationArgs& args, const RowOutputs& out, cudaStream_t stream);

// bin_sums [3, M] and totals [4] from the rows, in an order that depends on N alone: no float atomics.
cudaError_t launch_reduce(int64_t rows, int64_t bins, const RowOutputs& in, double* bin_sums, double* totals,
                          cudaStream_t stream);

}  // namespace calibench
