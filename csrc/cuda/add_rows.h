// Adds up rows of numbers [rows, lanes] in order.
#pragma once

#include "threads.h"

namespace calibench {

// Writes the sum to sums [lanes]. Each file that launches it has a copy of its own.
static __global__ void __launch_bounds__(kThreads)
    add_rows(const double* numbers, int64_t rows, int64_t lanes, double* sums) {
  const int64_t lane = thread_index();
  if (lane >= lanes) return;
  double sum = 0.0;
  for (int64_t r = 0; r < rows; ++r) sum += numbers[r * lanes + lane];
  sums[lane] = sum;
}

}  // namespace calibench
