// Arguments of softmax_threshold, softmax_threshold_sets and sigmoid_threshold.
#pragma once

#include "scores.h"

namespace calibench {

struct ThresholdArgs {
  Scores scores;
  const double* thresholds;  // [K], or [1] for all classes
  const double* bounds;      // same length: ln t_k for softmax, ln(t_k / (1 - t_k)) for sigmoid
  bool per_class;            // true if thresholds has K elements
  double smallest;           // smallest threshold
  bool strict;               // a class passes if p > t, not if p >= t
  int64_t* prediction;       // [N], or null if sets are computed
  double* confidence;        // [N], or null if sets are computed
  uint8_t* sets;             // [N, K], or null
  int64_t* sizes;            // [N], or null

  double threshold(int64_t k) const { return per_class ? thresholds[k] : thresholds[0]; }
  bool passes(double p, int64_t k) const { return strict ? p > threshold(k) : p >= threshold(k); }
};

}  // namespace calibench
