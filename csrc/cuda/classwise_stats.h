// Between the .cu, which nvcc compiles without torch's headers, and its torch side.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/classwise_stats.h"

namespace calibench {

// Bytes of scratch: 32 a row, and a table of 16 bytes a class and bin for each of at most 1024 shares of the
// rows.
int64_t classwise_bytes(const ClasswiseArgs& args);

// sums [3, K, M]: entries, sum of p_k, labels. `args.first` is not read.
cudaError_t classwise_sums(const ClasswiseArgs& args, void* scratch, double* sums, int64_t* fault,
                           cudaStream_t stream);

}  // namespace calibench
