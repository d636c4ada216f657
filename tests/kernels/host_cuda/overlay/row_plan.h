// In place of csrc/cuda/row_plan.h: the two functions of it that the kernels of judging use.
#pragma once

#include "device.h"

namespace calibench {

inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t between(int64_t low, int64_t value, int64_t high) {
  return value < low ? low : value > high ? high : value;
}

}  // namespace calibench
