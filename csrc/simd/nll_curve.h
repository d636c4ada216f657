// Rows of nll_curve in float64: computes every temperature while the row is in the cache.
#pragma once

#include "../core/nll_curve.h"

namespace calibench::CALIBENCH_ISA {

template <typename T>
static void nll_curve_chunk(const CurveArgs& args, int64_t begin, int64_t end, CurveSums* sums,
                            int64_t* first_bad, void* scratch) {
  const int64_t K = args.scores.classes;
  for (int64_t i = begin; i < end; ++i) {
    const T* x = contiguous_row<T>(args.scores, i, scratch);
    const double first = to_double(x[0]);
    D tops = set(first), bad = set(0.0);
    for (int64_t j = 0; j < K; j += 8) {
      const D a = j + 8 <= K ? load8(x + j) : load8(x + j, K - j, first);
      tops = max(a, tops);
      bad = fma(a, set(0.0), bad);
    }
    const double top = largest(tops);
    const int64_t label = args.labels.at(i);
    if (CALIBENCH_UNLIKELY(bits(equal(bad, set(0.0))) != 0xffu)) {
      *first_bad = bad_row_code(i, RowStatus::kNonFinite);
      return;
    }
    if (CALIBENCH_UNLIKELY(label < 0 || label >= K)) {
      *first_bad = bad_row_code(i, RowStatus::kLabel);
      return;
    }
    const double d_label = to_double(x[label]) - top;
    for (int64_t t = 0; t < args.points; ++t) {
      const double b = args.inverse_temperatures[t];
      D tail = set(0.0), first_moment = tail, second_moment = tail;
      int ties = -1;
      for (int64_t start = 0; start < K; start += 512) {  // short runs, as in row_block.h
        const int64_t end = min_of<int64_t>(start + 512, K);
        D s0 = set(0.0), s1 = s0, s2 = s0;
        for (int64_t j = start; j < end; j += 8) {
          const D a = j + 8 <= K ? load8(x + j) : load8(x + j, K - j, top);
          const D d = a - set(top);
          D e = exp(set(b) * d);
          const Mask8 hits = equal(a, set(top));
          if (CALIBENCH_UNLIKELY(bits(hits))) {
            ties += __builtin_popcount(bits(hits) & (K - j >= 8 ? 0xffu : (1u << (K - j)) - 1));
            e = select(hits, set(0.0), e);
          }
          // A score so far below the top that d^2, or even d, overflows has e = 0 and must add 0, not NaN.
          const Mask8 nothing = equal(e, set(0.0));
          const D weighted = select(nothing, set(0.0), e * d);
          s0 = s0 + e;
          s1 = s1 + weighted;
          s2 = s2 + select(nothing, set(0.0), weighted * d);
        }
        tail = tail + s0;
        first_moment = first_moment + s1;
        second_moment = second_moment + s2;
      }
      const double r = sum(tail) + ties;
      const double mass = 1.0 / (1.0 + r), mean = sum(first_moment) * mass;
      const double variance = sum(second_moment) * mass - mean * mean;
      const double gap = b * (mean - d_label);
      sums[t].nll.add(::log1p(r) - b * d_label);
      sums[t].slope.add(-gap);
      sums[t].curvature.add(gap + b * b * (variance > 0.0 ? variance : 0.0));
    }
  }
}

}  // namespace calibench::CALIBENCH_ISA
