// The interface between classwise_stats.cu and classwise_stats.cpp. nvcc compiles the .cu file without
// torch's headers.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/classwise_stats.h"

namespace calibench {

// Bytes of scratch: 32 per row, and for each of at most 1024 shares of the
// rows a table of 16 bytes per class and bin.
int64_t classwise_bytes(const ClasswiseArgs& args);

// Writes sums [3, K, M]: number of entries, sum of p_k, number of labels. args.first_edges is not read.
cudaError_t classwise_sums(const ClasswiseArgs& args, void* scratch, double* sums, int64_t* fault,
                           cudaStream_t stream);

}  // namespace calibench
