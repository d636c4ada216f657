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

// The ops of judging run on the CPU only.
STABLE_TORCH_LIBRARY_FRAGMENT(calibench, m) {
  // counts uint8 [n, P]: how often resample first + b draws each sample, for b < resamples; 0 in the other
  // columns. P is `resamples` rounded up to a multiple of 16. `like` gives the device alone.
  m.def("resample_counts(Tensor like, int samples, int first, int resamples, int seed) -> Tensor");
  // sums float64 [S, C + 1, P]: of each range of items, which ends at `ends` [S], the count and the weighted
  // sum of each column [L]: float64, float32, bool, or int32 in units of 2^-30. The weight of item l is row
  // places[l] of the counts; row l if `places` int32 [L] is empty.
  m.def("resample_sums(Tensor counts, Tensor places, Tensor[] columns, Tensor ends) -> Tensor");
  // risks float64 [4, P]: samples, errors, and the sums of the selective and of the joint risk over ranks.
  // Items lie in rank order, in ties that end at `ends`; wrong bool [L].
  m.def("resample_risks(Tensor counts, Tensor places, Tensor wrong, Tensor ends) -> Tensor");
  // sums float64 [M, P]: the weighted sum of the columns over each group of draws, in the order of the items.
  // ends float64 [M, P]: how many draws lie in the groups up to each.
  m.def("resample_group_sums(Tensor counts, Tensor places, Tensor[] columns, Tensor ends) -> Tensor");
  // errors float64 [P]: the sum over classes and bins of |sum of w (p - y)|. `entries` int32 [E] are the rows
  // of the counts of the entries above bin 0, cell by cell, with gaps p - y int32 [E] in units of 2^-30;
  // cell_ends int64 [K M]. totals float64 [K, P]: the sums of all gaps of each class.
  m.def(
      "resample_class_errors(Tensor counts, Tensor entries, Tensor gaps, Tensor cell_ends, Tensor totals)"
      " -> Tensor");
  // sizes float64 [P]: the sum over cells of |offset - factor * count|. labels int32 [C, P]; offset and
  // factor float64 [C].
  m.def("gap_sizes(Tensor labels, Tensor offset, Tensor factor) -> Tensor");
  // moments float64 [2, K M]: the sum of p, and of p^2, in each cell k M + bin. expected_right float64 [1].
  // The entries above bin 0 if `list`: row int32 [E], cell int32 [E], p float64 [E]. factors float64 [K M] or
  // [0]. rows int32: the rows to take; [0] for all.
  m.def(
      "class_table(Tensor scores, bool from_probs, int bins, Tensor factors, Tensor rows, bool list)"
      " -> (Tensor moments, Tensor expected_right, Tensor row, Tensor cell, Tensor p)");
  // right int32 [C, P]: right predictions in each of the cells that `cells` int32 gives the items. labels
  // int32 [K M, P]: drawn labels in the cell of their class. P is `draws` rounded up to a multiple of 8.
  m.def(
      "label_draws(Tensor scores, bool from_probs, int bins, Tensor factors, Tensor rows, Tensor cells,"
      " int num_cells, int first, int draws, int seed) -> (Tensor right, Tensor labels)");
  // gaps float64 [K, P]: the sum of the weight of each row times p - y of each class, rounded to 2^-29.
  m.def(
      "resample_class_gaps(Tensor counts, Tensor places, Tensor scores, Tensor labels, bool from_probs)"
      " -> Tensor");
}
