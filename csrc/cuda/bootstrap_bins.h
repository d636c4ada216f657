// The interface between bootstrap_bins.cu and bootstrap_bins.cpp. nvcc compiles the .cu file without torch's
// headers.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/bootstrap_bins.h"

namespace calibench {

struct BootstrapInputs {
  const double* confidence;
  int64_t confidence_stride;
  const uint8_t* correct;
  int64_t correct_stride;
  int64_t samples;    // N, below 2^32
  int64_t bins;       // M
  int64_t resamples;  // B
  int64_t seed;
};

// Bytes of scratch: 24 per sample, 16 per resample and bin, and the digit counts of the sort.
int64_t bootstrap_bytes(const BootstrapInputs& inputs);

// Writes sums [B, 3, M]: count, sum of confidence, number correct.
cudaError_t resample(const BootstrapInputs& inputs, void* scratch, double* sums, int64_t* fault,
                     cudaStream_t stream);

}  // namespace calibench
