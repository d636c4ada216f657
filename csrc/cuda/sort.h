// A stable sort of (cell, 8 bytes) by cell, least significant digit first, 8 bits a pass: O(N) a pass, and
// its result depends on nothing but the input.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace calibench {

constexpr int64_t kMaxSamples = (int64_t{1} << 32) - 1;  // positions are 32 bits

// Two of each: a pass reads one and writes the other.
struct CellArrays {
  uint32_t* cells[2];
  uint64_t* values[2];
};

// Bytes for the digit counts of the sort, O(N).
int64_t sort_bytes(int64_t samples, int64_t num_cells);

// Sorts what lies in arrays 0; `*result` says in which arrays it ends. `counts` has sort_bytes.
cudaError_t sort_by_cell(const CellArrays& arrays, int64_t samples, int64_t num_cells, void* counts,
                         int* result, cudaStream_t stream);

}  // namespace calibench
