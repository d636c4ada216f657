// Adds rows of classwise_stats to one [4, K, M] table in float64: number of entries, sum of p_k, its carry,
// number of labels. Most of the N K entries are in the first bin of their class. Those are added 8 classes at
// a time; the others one by one.
#pragma once

#include "../core/classwise_stats.h"

namespace calibench::CALIBENCH_ISA {

template <typename T>
static void classwise_chunk(const ClasswiseArgs& args, int64_t begin, int64_t end, double* sums,
                            int64_t* first_bad, void* scratch) {
  const int64_t K = args.scores.classes, M = args.bins;
  double* count = sums;
  double* total = sums + K * M;
  double* carry = sums + 2 * K * M;
  double* label_count = sums + 3 * K * M;
  // [K] of bin 0, kept apart so that neighbouring classes are neighbours in memory.
  double* first_count = static_cast<double*>(scratch);
  double* first_total = first_count + K;
  double* first_carry = first_total + K;
  memset(first_count, 0, static_cast<size_t>(3 * K) * sizeof(double));
  T* copy = reinterpret_cast<T*>(first_carry + K);
  RowBlock block;
  for (int64_t i = begin; i < end; ++i) {
    const T* x = contiguous_row<T>(args.scores, i, copy);
    if (args.from_probs) {
      exact_row<true>(x, K, 0, &block);
    } else {
      exact_row<false>(x, K, 0, &block);
    }
    const int64_t label = args.labels.at(i);
    *first_bad = !block.finite[0]                        ? bad_row_code(i, RowStatus::kNonFinite)
                 : label < 0 || label >= K               ? bad_row_code(i, RowStatus::kLabel)
                 : args.from_probs && !block.in_range[0] ? bad_row_code(i, RowStatus::kProbability)
                                                         : kNoBadRow;
    if (CALIBENCH_UNLIKELY(*first_bad != kNoBadRow)) return;
    const D confidence = set(1.0 / (1.0 + (block.others[0] + block.ties[0]))), top = set(block.top[0]);
    for (int64_t j = 0; j < K; j += 8) {
      const int64_t n = min_of<int64_t>(8, K - j);
      const D a = n == 8 ? load8(x + j) : load8(x + j, n, block.top[0]);
      const D p = args.from_probs ? a : exp(a - top) * confidence;
      const D edge = n == 8 ? load(args.first_edges + j) : load8(args.first_edges + j, n, 0.0);
      const unsigned valid = (1u << n) - 1;
      const unsigned counted = bits(less(set(args.threshold), p)) & valid;
      const unsigned above = bits(less(edge, p)) & counted;
      const Mask8 first_bin = mask8(counted & ~above);
      if (n == 8) {
        store(first_count + j, load(first_count + j) + select(first_bin, set(1.0), set(0.0)));
        Sums first_sums{load(first_total + j), load(first_carry + j)};
        add(&first_sums, select(first_bin, p, set(0.0)));
        store(first_total + j, first_sums.sum);
        store(first_carry + j, first_sums.carry);
      }
      const unsigned one_by_one = n == 8 ? above : counted;
      const int64_t label_lane = label - j;
      if (CALIBENCH_UNLIKELY(one_by_one != 0 || (label_lane >= 0 && label_lane < n))) {
        alignas(64) double lanes[8];
        store(lanes, p);
        for (unsigned rest = one_by_one; rest != 0; rest &= rest - 1) {
          const int l = __builtin_ctz(rest);
          const int64_t cell = (j + l) * M + class_bin(args, j + l, lanes[l]);
          count[cell] += 1.0;
          Sum sum{total[cell], carry[cell]};
          add_finite(&sum, lanes[l]);
          total[cell] = sum.sum;
          carry[cell] = sum.carry;
        }
        if (label_lane >= 0 && label_lane < n && (counted >> label_lane & 1)) {
          label_count[label * M + class_bin(args, label, lanes[label_lane])] += 1.0;
        }
      }
    }
  }
  // Entries of bin 0 are in the first_ arrays, or in the table past the last whole vector: never in both.
  for (int64_t k = 0; k < K; ++k) {
    count[k * M] += first_count[k];
    total[k * M] += first_total[k];
    carry[k * M] += first_carry[k];
  }
}

}  // namespace calibench::CALIBENCH_ISA
