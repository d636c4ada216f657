// classwise_stats: its arguments, the bin of a probability within its class, and the number of chunks.
#pragma once

#include "bins.h"
#include "scores.h"
#include "sum.h"

namespace calibench {

struct ClasswiseArgs {
  Scores scores;
  LabelView labels;
  int64_t bins;
  bool from_probs;
  double threshold;           // entries with p <= threshold are not counted; negative counts all
  const double* edges;        // null for equal-width bins; else M - 1 interior edges per class
  int64_t edges_stride;       // between the edges of two classes: M - 1, or 0 if all classes share them
  const double* first_edges;  // [K] the upper edge of bin 0; not read on CUDA
};

// The bin of probability p of class k. Bins are (lo, hi].
CALIBENCH_HD int64_t class_bin(const ClasswiseArgs& args, int64_t k, double p) {
  if (args.edges == nullptr) return bin_of(p, args.bins);
  return count_below(args.edges + k * args.edges_stride, args.bins - 1, p);
}

constexpr int64_t kClassTables = 4;  // number of entries, sum of p_k, its carry, number of labels equal to k

// Number of chunks, each with its own [4, K, M] table: at most 32, and at most 256 MiB
// of tables. It depends on the problem only.
inline int64_t classwise_chunks(int64_t rows, int64_t classes, int64_t bins) {
  const int64_t table = kClassTables * classes * bins * 8;
  int64_t chunks = rows * classes / (int64_t{1} << 18);
  if (chunks > 32) chunks = 32;
  if (chunks > (int64_t{1} << 28) / table) chunks = (int64_t{1} << 28) / table;
  return chunks < 1 ? 1 : chunks;
}

}  // namespace calibench
