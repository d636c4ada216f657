// The fault: the lowest bad row, reported on the device, so that the host need not wait. int64 [2]: row * 4 +
// status (or kNoBadRow), and its label.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/scores.h"

namespace calibench {

cudaError_t clear_fault(int64_t* fault, cudaStream_t stream);

// Must run after the pass over rows. If the lowest bad row has a bad label, writes that label.
cudaError_t label_fault(const LabelView& labels, int64_t* fault, cudaStream_t stream);

#if defined(__CUDACC__)
__device__ __forceinline__ void report(int64_t* fault, int64_t row, RowStatus status) {
  // The smallest code wins in any order of the threads.
  atomicMin(reinterpret_cast<long long*>(fault), static_cast<long long>(bad_row_code(row, status)));
}
#endif

}  // namespace calibench
