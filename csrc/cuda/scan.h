// The exclusive sum of whole numbers: each becomes the sum of those before it.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace calibench {

// Whole numbers of scratch for a scan of `count` numbers.
int64_t scan_sums(int64_t count);

cudaError_t exclusive_scan(int64_t* numbers, int64_t count, int64_t* sums, cudaStream_t stream);

}  // namespace calibench
