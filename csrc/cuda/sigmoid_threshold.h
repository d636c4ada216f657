// The interface between sigmoid_threshold.cu and sigmoid_threshold.cpp. nvcc
// compiles the .cu file without torch's headers.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/scores.h"
#include "thresholds.h"

namespace calibench {

// Writes sets [N, K], one byte per class, and sizes [N]. Fills the
// bounds of `thresholds`, which are allocated.
cudaError_t sigmoid_sets(const Scores& scores, const Thresholds& thresholds, uint8_t* sets, int64_t* sizes,
                         int64_t* fault, cudaStream_t stream);

}  // namespace calibench
