// Rows of classwise_stats into one [4, K, M] table, in float64: entries, sum of p_k, its carry, labels. Most
// of the N K entries lie in their class's first bin: those are added 8 classes at a time, and only the others
// are looked at one by one.
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
  double* of_label = sums + 3 * K * M;
  double* first_count =
      static_cast<double*>(scratch);  // [K] of bin 0, kept apart so that classes lie side by side
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
    *first_bad = !block.finite[0]                      ? bad_row_code(i, RowStatus::kNonFinite)
                 : label < 0 || label >= K             ? bad_row_code(i, RowStatus::kLabel)
                 : args.from_probs && !block.proper[0] ? bad_row_code(i, RowStatus::kProbability)
                                                       : kNoBadRow;
    if (CALIBENCH_UNLIKELY(*first_bad != kNoBadRow)) return;
    const D confidence = set(1.0 / (1.0 + (block.others[0] + block.ties[0]))), top = set(block.top[0]);
    for (int64_t j = 0; j < K; j += 8) {
      const int64_t n = least<int64_t>(8, K - j);
      const D a = n == 8 ? load8(x + j) : load8(x + j, n, block.top[0]);
      const D p = args.from_probs ? a : exp(a - top) * confidence;
      const D edge = n == 8 ? load(args.first + j) : load8(args.first + j, n, 0.0);
      const unsigned valid = (1u << n) - 1;
      const unsigned counted = bits(less(set(args.threshold), p)) & valid;
      const unsigned above = bits(less(edge, p)) & counted;
      const Mask8 first = mask8(counted & ~above);
      if (n == 8) {
        store(first_count + j, load(first_count + j) + select(first, set(1.0), set(0.0)));
        Sums all{load(first_total + j), load(first_carry + j)};
        add(&all, select(first, p, set(0.0)));
        store(first_total + j, all.sum);
        store(first_carry + j, all.carry);
      }
      const unsigned one_by_one = n == 8 ? above : counted;
      const int64_t at = label - j;
      if (CALIBENCH_UNLIKELY(one_by_one != 0 || (at >= 0 && at < n))) {
        alignas(64) double lanes[8];
        store(lanes, p);
        for (unsigned rest = one_by_one; rest != 0; rest &= rest - 1) {
          const int l = __builtin_ctz(rest);
          const int64_t cell = (j + l) * M + class_bin(args, j + l, lanes[l]);
          count[cell] += 1.0;
          Sum all;
          all.sum = total[cell];
          all.carry = carry[cell];
          add_finite(&all, lanes[l]);
          total[cell] = all.sum;
          carry[cell] = all.carry;
        }
        if (at >= 0 && at < n && (counted >> at & 1)) {
          of_label[label * M + class_bin(args, label, lanes[at])] += 1.0;
        }
      }
    }
  }
  for (int64_t k = 0; k < K;
       ++k) {  // bin 0 of a class was added here or, past the last whole vector, there: never both
    count[k * M] += first_count[k];
    total[k * M] += first_total[k];
    carry[k * M] += first_carry[k];
  }
}

}  // namespace calibench::CALIBENCH_ISA
