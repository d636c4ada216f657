// The schema of every op. cpu/ and cuda/ register the implementations.
//
// `fault` is int64 [2]: row * 4 + status of the lowest bad row (INT64_MAX if there is none),
// and its label. The CPU op fails at once. The CUDA op does not wait for the device: Python
// reads the fault when a result is first used.
#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY(calibench, m) {
  // bin_sums float64 [3, M]: count, sum of confidence, number correct. totals
  // float64 [4]: sum of NLL (nats), sum of Brier, number correct, N. samples float64
  // [5, N] if return_samples, else [5, 0]: confidence, tail, prediction, NLL, Brier.
  m.def(
      "calibration_stats(Tensor scores, Tensor labels, int bins, bool from_probs, bool return_samples)"
      " -> (Tensor bin_sums, Tensor totals, Tensor samples, Tensor fault)");
  // state float64 [M + 2, 4], laid out as in core/calibration_stats.h.
  // A batch with a bad row does not change it.
  m.def(
      "calibration_update(Tensor(a!) state, Tensor(b!) fault, Tensor scores, Tensor labels, int bins,"
      " bool from_probs) -> ()");
  // sums float64 [3, K, M]: number of entries, sum of p_k, number of labels equal to k. edges
  // float64: [0] for equal-width bins, else the interior edges, [M - 1] or [K, M - 1].
  // Entries with p <= threshold are not counted.
  m.def(
      "classwise_stats(Tensor scores, Tensor labels, Tensor edges, int bins, bool from_probs, float "
      "threshold)"
      " -> (Tensor sums, Tensor fault)");
  // prediction int64 [N], -1 if no class passes; confidence float64 [N]. thresholds float64 [1] or [K].
  m.def(
      "softmax_threshold(Tensor logits, Tensor thresholds, bool strict)"
      " -> (Tensor prediction, Tensor confidence, Tensor fault)");
  // sets bool [N, K], sizes int64 [N].
  m.def(
      "softmax_threshold_sets(Tensor logits, Tensor thresholds, bool strict)"
      " -> (Tensor sets, Tensor sizes, Tensor fault)");
  m.def(
      "sigmoid_threshold(Tensor logits, Tensor thresholds, bool strict)"
      " -> (Tensor sets, Tensor sizes, Tensor fault)");
  // curve float64 [3, T]: sums over rows of NLL and of its first two derivatives in ln T.
  m.def("nll_curve(Tensor logits, Tensor labels, Tensor log_temperatures) -> (Tensor curve, Tensor fault)");
  // sums float64 [B, 3, M]: count, sum of confidence, number correct.
  m.def(
      "bootstrap_bins(Tensor confidence, Tensor correct, int bins, int resamples, int seed)"
      " -> (Tensor sums, Tensor fault)");
}
