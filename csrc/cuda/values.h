// The interface between values.cu and device_values.h: each function sets *found to 1 if a value is not as it
// should be, else to 0.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/types.h"

namespace calibench {

// An index outside [0, limit).
cudaError_t find_outside(const int32_t* indices, int64_t count, int64_t limit, int32_t* found,
                         cudaStream_t stream);

// An end below the one before, or below 0, or above `most`.
cudaError_t find_falling(const int64_t* ends, int64_t count, int64_t most, int32_t* found,
                         cudaStream_t stream);

// A label outside [0, classes).
cudaError_t find_bad_label(const LabelView& labels, int64_t rows, int64_t classes, int32_t* found,
                           cudaStream_t stream);

}  // namespace calibench
