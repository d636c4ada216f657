// The schemas of the ops of judging: bootstrap resamples, drawn labels, and sums over class-wise bins. They
// run on the CPU only, where outputs are judged.
#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY_FRAGMENT(calibench, m) {
  // counts uint8 [n, P]: how often resample first + b draws each sample, for b < resamples; 0 in the other
  // columns. P is `resamples` rounded up to a multiple of 16. `like` gives the device alone.
  m.def("resample_counts(Tensor like, int samples, int first, int resamples, int seed) -> Tensor");
  // sums float64 [S, C + 1, P]: of each range of items, which ends at `ends` [S], the count and the weighted
  // sum of each column [C, L]. The weight of item l is row places[l] of the counts; row l if `places` int32
  // [L] is empty.
  m.def("resample_sums(Tensor counts, Tensor places, Tensor columns, Tensor ends) -> Tensor");
  // risks float64 [4, P]: samples, errors, and the sums of the selective and of the joint risk over ranks.
  // Items lie in rank order, in ties that end at `ends`; wrong bool [L]; harmonic float64: H(0), H(1), ... up
  // to the largest count.
  m.def("resample_risks(Tensor counts, Tensor places, Tensor wrong, Tensor ends, Tensor harmonic) -> Tensor");
  // sums float64 [M, P]: the weighted sum of `values` float64 [L] over each group of draws, in the order of
  // the items. ends float64 [M, P]: how many draws lie in the groups up to each.
  m.def("resample_group_sums(Tensor counts, Tensor places, Tensor values, Tensor ends) -> Tensor");
  // errors float64 [P]: the sum over classes and bins of |sum of w (p - y)|. `entries` int32 [E] are the rows
  // of the counts of the entries above bin 0, cell by cell, with gaps p - y float64 [E]; cell_ends int64 [K
  // M]. `labelled` int32 [N] are those of all samples, label by label; label_ends int64 [K]. p_sums float64
  // [K, P].
  m.def(
      "resample_class_errors(Tensor counts, Tensor entries, Tensor gaps, Tensor cell_ends, Tensor labelled,"
      " Tensor label_ends, Tensor p_sums) -> Tensor");
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
  // sums float64 [K, P]: of the weight of each row times its probability of each class, rounded to 2^-29.
  m.def("resample_class_sums(Tensor counts, Tensor places, Tensor scores, bool from_probs) -> Tensor");
}
