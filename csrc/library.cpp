// The schemas of every op, once; cpu/ and cuda/ register what implements them.
//
// `fault` int64 [2] tells of the lowest bad row: row * 4 + status and its label, or INT64_MAX. The CPU fails
// at once; CUDA never waits for the device, so Python reads the fault when a result is first looked at.
#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY(calibench, m) {
  // bin_sums float64 [3, M]: count, sum of confidence, number correct. totals float64 [4]: sum of NLL (nats),
  // sum of Brier, number correct, N. samples float64 [5, N], or [5, 0] unless asked for: confidence, tail,
  // prediction, NLL, Brier.
  m.def(
      "calibration_stats(Tensor scores, Tensor labels, int bins, bool from_probs, bool return_samples)"
      " -> (Tensor bin_sums, Tensor totals, Tensor samples, Tensor fault)");
  // state float64 [M + 2, 4], see core/calibration_stats.h; a bad batch leaves it as it was.
  m.def(
      "calibration_update(Tensor(a!) state, Tensor(b!) fault, Tensor scores, Tensor labels, int bins,"
      " bool from_probs) -> ()");
  // sums float64 [3, K, M]: entries, sum of p_k, labels equal to k. edges float64 [0]: equal width; else
  // interior edges, [M - 1] or [K, M - 1]. Entries with p <= threshold are left out.
  m.def(
      "classwise_stats(Tensor scores, Tensor labels, Tensor edges, int bins, bool from_probs, float "
      "threshold)"
      " -> (Tensor sums, Tensor fault)");
  // prediction int64 [N], -1 where no class passes; confidence float64 [N]. thresholds float64 [1] or [K].
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
