// The interface between resample.cpp and the .cu files of the resampling ops. nvcc compiles those without
// torch's headers. `scratch` has the bytes that the function before says.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/resample.h"

namespace calibench {

// Writes counts [n, lanes]: of resample first + b in column b, 0 in the columns beyond.
cudaError_t count_resamples(int64_t samples, int64_t first, int64_t resamples, int64_t seed, int64_t lanes,
                            uint8_t* counts, cudaStream_t stream);

// `columns` of these arguments are in host memory, as are all structs; the arrays that they name are on the
// GPU.
int64_t range_bytes(const ResampleSumsArgs& args, int64_t items);
cudaError_t sum_ranges(const ResampleSumsArgs& args, int64_t items, int64_t ranges, void* scratch,
                       cudaStream_t stream);

int64_t risk_bytes(const ResampleRisksArgs& args);
cudaError_t sum_risks(const ResampleRisksArgs& args, void* scratch, cudaStream_t stream);

int64_t group_bytes(const GroupSumArgs& args);
cudaError_t sum_groups(const GroupSumArgs& args, void* scratch, cudaStream_t stream);

int64_t class_error_bytes(const ClassErrorArgs& args);
cudaError_t sum_class_errors(const ClassErrorArgs& args, void* scratch, cudaStream_t stream);

int64_t gap_size_bytes(int64_t cells, int64_t lanes);
cudaError_t sum_gap_sizes(const int32_t* labels, int64_t cells, int64_t lanes, const double* offset,
                          const double* factor, void* scratch, double* sizes, cudaStream_t stream);

}  // namespace calibench
