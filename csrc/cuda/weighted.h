// What the kernels over resamples share: numbers of a column, and lanes side by side.
#pragma once

#include "../core/resample.h"
#include "threads.h"

namespace calibench {

// The number of a column, as on the CPU; 1 if the column has no numbers.
__device__ __forceinline__ double number_at(const Column& column, int64_t i) {
  if (column.numbers == nullptr) return 1.0;
  switch (column.type) {
    case NumberType::kFloat64:
      return static_cast<const double*>(column.numbers)[i];
    case NumberType::kFloat32:
      return static_cast<double>(static_cast<const float*>(column.numbers)[i]);
    case NumberType::kFixed:
      return static_cast<double>(static_cast<const int32_t*>(column.numbers)[i]) * (1.0 / (1 << kFixedBits));
    default:
      return static_cast<double>(static_cast<const uint8_t*>(column.numbers)[i]);
  }
}

// Neighbouring threads have neighbouring lanes: a row of counts is read together.
struct LaneTask {
  int64_t lane;
  int64_t task;
};

__device__ __forceinline__ LaneTask lane_task(int64_t lanes) {
  const int64_t i = thread_index();
  return {i % lanes, i / lanes};
}

}  // namespace calibench
