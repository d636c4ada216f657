// The interface between class_gaps.cu and class_gaps.cpp. nvcc compiles the .cu file without torch's headers.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/class_rows.h"

namespace calibench {

// Bytes of scratch: 32 per row, 8 per class and lane, and at most 64 MiB of gaps.
int64_t class_gap_bytes(const ClassGapArgs& args);

// Writes gaps float64 [K, P]. `sums` of the arguments is not used: it is in the scratch.
cudaError_t sum_class_gaps(const ClassGapArgs& args, void* scratch, double* gaps, cudaStream_t stream);

}  // namespace calibench
