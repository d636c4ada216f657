// Between the .cu, which nvcc compiles without torch's headers, and its torch side.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/scores.h"
#include "thresholds.h"

namespace calibench {

// prediction and confidence [N]; `thresholds` with room for its bounds.
cudaError_t decide(const Scores& scores, const Thresholds& thresholds, int64_t* prediction,
                   double* confidence, int64_t* fault, cudaStream_t stream);

}  // namespace calibench
