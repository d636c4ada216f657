// Arguments and sums of nll_curve. With u = ln T, b = 1 / T, d_j = x_j - max and p = softmax(x / T),
// nll = ln sum exp(b d_j) - b d_y, slope = -b (E[d] - d_y), curvature = b (E[d] - d_y) + b^2 Var[d],
// where slope and curvature are the derivatives of nll in u, and y is the label.
#pragma once

#include "scores.h"
#include "sum.h"

namespace calibench {

struct CurveArgs {
  Scores scores;
  LabelView labels;
  const double* inverse_temperatures;  // [T], b
  int64_t points;                      // T
};

struct CurveSums {
  Sum nll;
  Sum slope;
  Sum curvature;
};

// Rows per chunk. It depends on the problem only.
inline int64_t curve_chunk_rows(int64_t classes) {
  const int64_t rows = 262144 / classes;
  return rows < 64 ? 64 : rows > 1024 ? 1024 : rows;
}

}  // namespace calibench
