// A matrix of scores in memory, and the code that reports a bad row. No torch; for host and device.
#pragma once

#include "types.h"

namespace calibench {

struct Scores {
  const void* data;
  ScoreType type;
  int64_t rows;
  int64_t classes;
  int64_t row_stride;    // in elements
  int64_t class_stride;  // in elements
};

enum class RowStatus : int { kOk = 0, kNonFinite = 1, kLabel = 2, kProbability = 3 };

// A bad row as one number, row * 4 + RowStatus: the smallest code belongs to the lowest row.
constexpr int64_t kNoBadRow = INT64_MAX;
CALIBENCH_HD int64_t bad_row_code(int64_t row, RowStatus status) {
  return row * 4 + static_cast<int64_t>(status);
}
CALIBENCH_HD int64_t bad_row_index(int64_t code) { return code / 4; }
CALIBENCH_HD RowStatus bad_row_status(int64_t code) { return static_cast<RowStatus>(code % 4); }

constexpr double kProbabilityFloor = 1e-12;
constexpr double kProbabilityCeiling = 1.0 + 1e-3;  // rounding may lift a float16 probability above 1

}  // namespace calibench
