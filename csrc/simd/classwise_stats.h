// Adds rows of classwise_stats to one [4, K, M] table in float64: number of entries, sum of p_k, its carry,
// number of labels. Most of the N K entries are in the first bin of their class. Those are added 8 classes at
// a time; the others one by one.
#pragma once

#include "../core/classwise_stats.h"

namespace calibench::CALIBENCH_ISA {

// One [K, M] array for each figure.
struct ClasswiseTable {
  double* count;
  double* total;
  double* carry;
  double* label_count;
};

// Adds entries of 8 classes from class j on, one by one: those in `entries`, and that of the label if it is
// in `counted`.
CALIBENCH_INLINE void add_one_by_one(const ClasswiseArgs& args, const ClasswiseTable& table, int64_t j, D p,
                                     unsigned entries, unsigned counted, int64_t label_lane) {
  alignas(64) double lanes[8];
  store(lanes, p);
  for (unsigned rest = entries; rest != 0; rest &= rest - 1) {
    const int l = __builtin_ctz(rest);
    const int64_t cell = (j + l) * args.bins + class_bin(args, j + l, lanes[l]);
    table.count[cell] += 1.0;
    Sum sum{table.total[cell], table.carry[cell]};
    add_finite(&sum, lanes[l]);
    table.total[cell] = sum.sum;
    table.carry[cell] = sum.carry;
  }
  if (label_lane >= 0 && label_lane < 8 && (counted >> label_lane & 1)) {
    const int64_t label = j + label_lane;
    table.label_count[label * args.bins + class_bin(args, label, lanes[label_lane])] += 1.0;
  }
}

// Adds one row. `first` holds bin 0 of every whole vector of classes: 3 arrays [K], where neighbouring
// classes are neighbours in memory.
template <typename T>
CALIBENCH_INLINE void add_row(const ClasswiseArgs& args, const ClasswiseTable& table, const T* x,
                              int64_t label, const RowBlock& block, double* first) {
  const int64_t K = args.scores.classes;
  double* first_total = first + K;
  double* first_carry = first_total + K;
  const D confidence = set(1.0 / (1.0 + (block.others[0] + block.ties[0]))), top = set(block.top[0]);
  for (int64_t j = 0; j < K; j += 8) {
    const int64_t n = min_of<int64_t>(8, K - j);
    const D a = n == 8 ? load8(x + j) : load8(x + j, n, block.top[0]);
    const D p = args.from_probs ? a : exp(a - top) * confidence;
    const D edge = n == 8 ? load(args.first_edges + j) : load8(args.first_edges + j, n, 0.0);
    const unsigned valid = (1u << n) - 1;
    const unsigned counted = bits(less(set(args.threshold), p)) & valid;
    const unsigned above = bits(less(edge, p)) & counted;
    if (n == 8) {
      const Mask8 first_bin = mask8(counted & ~above);
      store(first + j, load(first + j) + select(first_bin, set(1.0), set(0.0)));
      Sums first_sums{load(first_total + j), load(first_carry + j)};
      add(&first_sums, select(first_bin, p, set(0.0)));
      store(first_total + j, first_sums.sum);
      store(first_carry + j, first_sums.carry);
    }
    const unsigned one_by_one = n == 8 ? above : counted;
    const int64_t label_lane = label - j;
    if (CALIBENCH_UNLIKELY(one_by_one != 0 || (label_lane >= 0 && label_lane < n))) {
      add_one_by_one(args, table, j, p, one_by_one, counted, label_lane);
    }
  }
}

template <typename T>
static void classwise_chunk(const ClasswiseArgs& args, int64_t begin, int64_t end, double* sums,
                            int64_t* first_bad, void* scratch) {
  const int64_t K = args.scores.classes, M = args.bins;
  const ClasswiseTable table{sums, sums + K * M, sums + 2 * K * M, sums + 3 * K * M};
  double* first = static_cast<double*>(scratch);
  memset(first, 0, static_cast<size_t>(3 * K) * sizeof(double));
  T* copy = reinterpret_cast<T*>(first + 3 * K);
  RowBlock block;
  for (int64_t i = begin; i < end; ++i) {
    const T* x = contiguous_row<T>(args.scores, i, copy);
    block.infinite = block.out_of_range = 0;
    if (args.from_probs) {
      exact_row<true>(x, K, 0, &block);
    } else {
      exact_row<false>(x, K, 0, &block);
    }
    const int64_t label = args.labels.at(i);
    *first_bad = block.infinite            ? bad_row_code(i, RowStatus::kNonFinite)
                 : label < 0 || label >= K ? bad_row_code(i, RowStatus::kLabel)
                 : block.out_of_range      ? bad_row_code(i, RowStatus::kProbability)
                                           : kNoBadRow;
    if (CALIBENCH_UNLIKELY(*first_bad != kNoBadRow)) return;
    add_row(args, table, x, label, block, first);
  }
  // Entries of bin 0 are in `first`, or in the table past the last whole vector: never in both.
  for (int64_t k = 0; k < K; ++k) {
    table.count[k * M] += first[k];
    table.total[k * M] += first[K + k];
    table.carry[k * M] += first[2 * K + k];
  }
}

}  // namespace calibench::CALIBENCH_ISA
