// The interface between softmax_threshold.cu and softmax_threshold.cpp. nvcc
// compiles the .cu file without torch's headers.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/scores.h"
#include "thresholds.h"

namespace calibench {

// Writes prediction [N] and confidence [N]. Fills the bounds of `thresholds`, which are allocated.
cudaError_t decide(const Scores& scores, const Thresholds& thresholds, int64_t* prediction,
                   double* confidence, int64_t* fault, cudaStream_t stream);

}  // namespace calibench
