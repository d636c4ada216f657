// The interface between softmax_threshold_sets.cu and softmax_threshold_sets.cpp. nvcc
// compiles the .cu file without torch's headers.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/scores.h"
#include "thresholds.h"

namespace calibench {

// Writes sets [N, K], one byte per class, and sizes [N]. Fills the
// bounds of `thresholds`, which are allocated.
cudaError_t softmax_sets(const Scores& scores, const Thresholds& thresholds, uint8_t* sets, int64_t* sizes,
                         int64_t* fault, cudaStream_t stream);

}  // namespace calibench
