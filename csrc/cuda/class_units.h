// Rows of scores as class probabilities, for the ops of judging: a pass computes of each row what its
// probabilities need, and then any thread can compute any of them. The bits are those of simd/class_rows.h.
#pragma once

#include <cuda_runtime_api.h>

#include "../core/class_rows.h"
#include "scratch.h"

namespace calibench {

// With e_k = exp(x_k - top), or the probability itself, the probability of class k is p_k = e_k / sum. With
// factors it is p_k times the factor of its cell, divided by `scaled`.
struct ClassUnit {
  double top;
  double sum;
  double scaled;  // 1 without factors
  int64_t prediction;
};

// Of each item and of each of the 8 lanes, to which class k belongs if k % 8 is the lane.
struct UnitScratch {
  double* tops;
  double* sums;
  int32_t* indices;  // the first class of the lane with that top

  UnitScratch(int64_t items, ScratchArrays* memory);
};

// Writes the units of all items. The scratch has room for all items too, or for kUnitItems of them.
constexpr int64_t kUnitItems = int64_t{1} << 16;
cudaError_t find_units(const ClassRows& rows, const UnitScratch& scratch, ClassUnit* units,
                       cudaStream_t stream);

}  // namespace calibench
