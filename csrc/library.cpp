// The schemas of every op, once; cpu/ and cuda/ register what implements them.
#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY(calibench, m) {
  // bin_sums float64 [3, M]: count, sum of confidence, number correct. totals float64 [4]: sum of NLL (nats),
  // sum of Brier, number correct, N. samples float64 [5, N], or [5, 0] unless asked for: confidence, tail,
  // prediction, NLL, Brier.
  m.def(
      "calibration_stats(Tensor scores, Tensor labels, int bins, bool from_probs, bool return_samples)"
      " -> (Tensor bin_sums, Tensor totals, Tensor samples)");
}
