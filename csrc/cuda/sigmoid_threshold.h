// Between the .cu, which nvcc compiles without torch's headers, and its torch side.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/scores.h"
#include "thresholds.h"

namespace calibench {

// sets [N, K] of bytes and sizes [N]; `thresholds` with room for its bounds.
cudaError_t sigmoid_sets(const Scores& scores, const Thresholds& thresholds, uint8_t* sets, int64_t* sizes,
                         int64_t* fault, cudaStream_t stream);

}  // namespace calibench
