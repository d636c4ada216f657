// The definition of one row's metrics, computed in float64 from the exact
// stored scores. No other file defines them.
#pragma once

#include <cmath>

#include "scores.h"

namespace calibench {

struct Row {
  double confidence;  // probability of the argmax; 1 / (1 + tail) from logits
  double tail;  // probability of the other classes / that of the argmax; precise even if confidence is 1.0
  int64_t prediction;  // lowest index on ties
  double nll;          // nats
  double brier;        // sum over classes, in [0, 2]
};

// The rounding error of a plain sum grows with its length. Blocks of 256 keep the
// error near 1e-13 for K = 200 000, at no cost.
constexpr int64_t kBlock = 256;

// First pass: the argmax (lowest index on ties) and the checks, in the order in which they are reported.
template <bool kFromProbs, typename T>
CALIBENCH_HD RowStatus find_top(const T* row, int64_t classes, int64_t stride, int64_t label, int64_t* index,
                                double* top) {
  double best = to_double(row[0]);
  int64_t best_index = 0;
  bool finite = true;
  bool in_range = true;
  for (int64_t j = 0; j < classes; ++j) {
    const double x = to_double(row[j * stride]);
    finite = finite && is_finite(x);
    if (kFromProbs) in_range = in_range && x >= 0.0 && x <= kProbabilityCeiling;
    if (x > best) {
      best = x;
      best_index = j;
    }
  }
  *index = best_index;
  *top = best;
  if (!finite) return RowStatus::kNonFinite;
  if (label < 0 || label >= classes) return RowStatus::kLabel;
  return in_range ? RowStatus::kOk : RowStatus::kProbability;
}

// Second pass: `others` is the sum of e_j over all classes but the argmax, `squares` the sum of e_j^2 over
// all classes but the argmax and the label. e_j is exp(x_j - top) for logits and p_j for probabilities.
template <bool kFromProbs, typename T>
CALIBENCH_HD void sum_others(const T* row, int64_t classes, int64_t stride, int64_t label, int64_t index,
                             double top, double* others, double* squares) {
  double total = 0.0;
  double total_squares = 0.0;
  for (int64_t start = 0; start < classes; start += kBlock) {
    const int64_t end = start + kBlock < classes ? start + kBlock : classes;
    double part = 0.0;
    double part_squares = 0.0;
    for (int64_t j = start; j < end; ++j) {
      if (j == index) continue;
      const double x = to_double(row[j * stride]);
      const double e = kFromProbs ? x : ::exp(x - top);
      part += e;
      if (j != label) part_squares += e * e;
    }
    total += part;
    total_squares += part_squares;
  }
  *others = total;
  *squares = total_squares;
}

template <typename T>
CALIBENCH_HD RowStatus row_from_logits(const T* row, int64_t classes, int64_t stride, int64_t label,
                                       Row* out) {
  double top;
  const RowStatus status = find_top<false>(row, classes, stride, label, &out->prediction, &top);
  if (status != RowStatus::kOk) return status;
  double squares;
  sum_others<false>(row, classes, stride, label, out->prediction, top, &out->tail, &squares);
  const double confidence = 1.0 / (1.0 + out->tail);
  const double margin = top - to_double(row[label * stride]);
  out->confidence = confidence;
  out->nll = ::log1p(out->tail) + margin;
  if (label == out->prediction) {
    const double miss = out->tail * confidence;  // 1 - confidence without cancellation
    out->brier = miss * miss + confidence * confidence * squares;
  } else {
    const double miss = 1.0 - ::exp(-margin) * confidence;
    out->brier = miss * miss + confidence * confidence * (1.0 + squares);
  }
  return RowStatus::kOk;
}

template <typename T>
CALIBENCH_HD RowStatus row_from_probs(const T* row, int64_t classes, int64_t stride, int64_t label,
                                      Row* out) {
  double top;
  const RowStatus status = find_top<true>(row, classes, stride, label, &out->prediction, &top);
  if (status != RowStatus::kOk) return status;
  double others;
  double squares;
  sum_others<true>(row, classes, stride, label, out->prediction, top, &others, &squares);
  const double label_probability = to_double(row[label * stride]);
  const double miss = 1.0 - label_probability;
  out->confidence = top;
  out->tail = top > 0.0 ? others / top : HUGE_VAL;  // a row of zeros is the least confident row
  out->nll = -::log(label_probability > kProbabilityFloor ? label_probability : kProbabilityFloor);
  out->brier = miss * miss + squares + (label == out->prediction ? 0.0 : top * top);
  return RowStatus::kOk;
}

template <typename T>
CALIBENCH_HD RowStatus evaluate_row(const T* row, int64_t classes, int64_t stride, int64_t label,
                                    bool from_probs, Row* out) {
  return from_probs ? row_from_probs(row, classes, stride, label, out)
                    : row_from_logits(row, classes, stride, label, out);
}

}  // namespace calibench
