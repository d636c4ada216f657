// The interface between class_table.cu and class_table.cpp. nvcc compiles the .cu file without torch's
// headers.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/class_rows.h"

namespace calibench {

// Entries above bin 0, in the order of items and classes.
struct EntryList {
  int32_t* row;
  int32_t* cell;
  double* p;
};

// Bytes of scratch: 32 per row, a table [M, K] per share of the rows, and 8 per 32 entries if they are
// counted.
int64_t class_table_bytes(const ClassRows& rows, bool list);

// Writes moments [2, K M] and the expected number of right predictions. With `list` it also counts the
// entries above bin 0, and sets *total to the place of their number on the device.
cudaError_t sum_class_table(const ClassRows& rows, bool list, void* scratch, double* moments,
                            double* expected_right, const int64_t** total, cudaStream_t stream);

// Writes the entries. The scratch must be as sum_class_table left it.
cudaError_t list_entries(const ClassRows& rows, void* scratch, const EntryList& entries, cudaStream_t stream);

}  // namespace calibench
