// A stable sort of (cell, 8 bytes) by cell, least significant digit first, 8 bits per pass. A pass takes
// O(N), and the result depends on the input only.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace calibench {

constexpr int64_t kMaxSamples = (int64_t{1} << 32) - 1;  // positions are 32 bits

// Two arrays of each kind: a pass reads one and writes the other.
struct CellArrays {
  uint32_t* cells[2];
  uint64_t* values[2];
};

// Bytes of the digit counts of the sort, O(N).
int64_t sort_bytes(int64_t samples, int64_t num_cells);

// Sorts the samples in cells[0] and values[0], and sets *result to the index of the arrays with the sorted
// samples. `counts` has sort_bytes bytes.
cudaError_t sort_by_cell(const CellArrays& arrays, int64_t samples, int64_t num_cells, void* counts,
                         int* result, cudaStream_t stream);

}  // namespace calibench
