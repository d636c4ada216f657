// classwise_stats: its arguments, the bin of a probability within its class, and how partial tables are
// shared out.
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
  double threshold;      // entries with p <= threshold are left out; negative: none is
  const double* edges;   // null: equal width; else interior edges, M - 1 a class
  int64_t edges_stride;  // from one class's edges to the next's: M - 1, or 0 when all classes share them
  const double* first;   // [K] the edge above which a probability leaves bin 0
};

// The number of edges below p, so that bins are (lo, hi].
CALIBENCH_HD int64_t bin_by_edges(double p, const double* edges, int64_t count) {
  int64_t low = 0;
  int64_t high = count;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (edges[middle] < p) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

CALIBENCH_HD int64_t class_bin(const ClasswiseArgs& args, int64_t k, double p) {
  if (args.edges == nullptr) return bin_of(p, args.bins);
  return bin_by_edges(p, args.edges + k * args.edges_stride, args.bins - 1);
}

constexpr int64_t kClassTables = 4;  // entries, sum of p_k, its carry, labels

// Each chunk has its own [4, K, M] table: at most 32, of 256 MiB together, by the problem alone.
inline int64_t classwise_chunks(int64_t rows, int64_t classes, int64_t bins) {
  const int64_t table = kClassTables * classes * bins * 8;
  int64_t chunks = rows * classes / (int64_t{1} << 18);
  if (chunks > 32) chunks = 32;
  if (chunks > (int64_t{1} << 28) / table) chunks = (int64_t{1} << 28) / table;
  return chunks < 1 ? 1 : chunks;
}

}  // namespace calibench
