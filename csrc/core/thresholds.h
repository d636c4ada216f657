// softmax_threshold, softmax_threshold_sets and sigmoid_threshold: their arguments.
#pragma once

#include "scores.h"

namespace calibench {

struct ThresholdArgs {
  Scores scores;
  const double* thresholds;  // [K], or one for all
  const double* bounds;      // of the same length: ln t_k for softmax, ln(t_k / (1 - t_k)) for sigmoid
  bool per_class;            // whether thresholds differ between classes
  double smallest;           // of the thresholds
  bool strict;               // p > t rather than p >= t
  int64_t* prediction;       // [N], or null for the sets
  double* confidence;        // [N], or null for the sets
  uint8_t* sets;             // [N, K], or null
  int64_t* sizes;            // [N], or null

  double threshold(int64_t k) const { return per_class ? thresholds[k] : thresholds[0]; }
  bool passes(double p, int64_t k) const { return strict ? p > threshold(k) : p >= threshold(k); }
};

}  // namespace calibench
