// The interface between nll_curve.cu and nll_curve.cpp. nvcc compiles the .cu file without torch's headers.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/scores.h"

namespace calibench {

struct CurveInputs {
  Scores scores;
  LabelView labels;
  const double* log_temperatures;
  int64_t stride;
  int64_t points;  // T
};

int64_t curve_bytes(const CurveInputs& inputs);

// Writes curve [3, T]: the sums over rows of NLL, slope and curvature.
cudaError_t sum_curve(const CurveInputs& inputs, void* scratch, double* curve, int64_t* fault,
                      cudaStream_t stream);

}  // namespace calibench
