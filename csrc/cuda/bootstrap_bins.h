// Between the .cu, which nvcc compiles without torch's headers, and its torch side.
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

// Bytes of scratch: 24 a sample and, beyond digits of the sort, 16 a resample and bin.
int64_t bootstrap_bytes(const BootstrapInputs& inputs);

// sums [B, 3, M]: count, confidence, correct.
cudaError_t resample(const BootstrapInputs& inputs, void* scratch, double* sums, int64_t* fault,
                     cudaStream_t stream);

}  // namespace calibench
