// What 64 rows of scores say, before any logarithm: per row the largest score, the sum of the others relative
// to it, and the sum of their squares. Wide rows are read one at a time, narrow ones sixteen abreast, one
// lane each.
#pragma once

namespace calibench::CALIBENCH_ISA {

constexpr int kBlockRows = 64;
constexpr int64_t kNarrow = 32;  // up to this many classes rows go abreast, so that no lane idles
constexpr int64_t kPrefetchBytes =
    16384;  // ahead of the row: 4 KiB rows end at a page, where hardware prefetch stops

struct RowBlock {
  double top[kBlockRows];   // largest score
  double unit[kBlockRows];  // exp2_shifted of the largest score: float32 sums are in this unit, so ties count
                            // 1 each
  double others[kBlockRows];   // sum over the other scores
  double squares[kBlockRows];  // the same of squares
  double ties[kBlockRows];     // scores equal to the largest, but one, unless they are among the others
  double truth[kBlockRows];    // score of the label
  double hit[kBlockRows];      // 1 where the prediction is the label
  int64_t prediction[kBlockRows];
  uint8_t finite[kBlockRows];
  uint8_t proper[kBlockRows];  // probabilities within [0, 1 + 1e-3]
};

CALIBENCH_INLINE void note_hits(unsigned hits, int64_t j, int64_t* index, int* count) {
  if (*index < 0) *index = j + __builtin_ctz(hits);
  *count += __builtin_popcount(hits);
}

// Whether every score is finite: 0 * x is NaN where one is not.
template <typename T>
CALIBENCH_FUNCTION bool all_finite(const T* x, int64_t classes) {
  F bad = set(0.0f);
  for (int64_t j = 0; j < classes; j += 16) {
    bad = fma(j + 16 <= classes ? load16(x + j) : load16(x + j, classes - j, 0.0f), set(0.0f), bad);
  }
  return bits(equal(bad, set(0.0f))) == 0xffffu;
}

// Sums over the classes but `index` of e_j = 2^(x_j log2(e) - c) and of e_j^2. kClamp: some score lies so far
// below the largest that its power of 2 would not be a normal number.
template <bool kClamp, typename T>
CALIBENCH_FUNCTION void fast_sums(const T* x, int64_t classes, int64_t index, float top, float c,
                                  double* others, double* squares) {
  alignas(64) static const float kLanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const F round_minus_c = set(kRoundF - c), floor = set(top - kLowest), zero = set(0.0f),
          lanes = load(kLanes);
  auto power = [&](F a) __attribute__((always_inline)) {
    return exp2_shifted(kClamp ? max(floor, a) : a, round_minus_c);
  };
  auto add_term = [](F e, F* s, F* q) __attribute__((always_inline)) {
    *s = *s + e;
    *q = fma(e, e, *q);
  };
  D s_all = set(0.0), q_all = s_all;
  auto widen = [&](F s, F q) __attribute__((always_inline)) {
    s_all = s_all + (low(s) + high(s));
    q_all = q_all + (low(q) + high(q));
  };
  // Sixteen classes without the largest score, and without the lanes behind the last class.
  auto careful = [&](int64_t at) __attribute__((always_inline)) {
    const int64_t n = classes - at;
    F e = power(n >= 16 ? load16(x + at) : load16(x + at, n, top));
    if (n < 16) e = select(less(lanes, set(static_cast<float>(n))), e, zero);
    const int64_t lane = index - at;
    if (lane >= 0 && lane < 16) e = select(equal(lanes, set(static_cast<float>(lane))), zero, e);
    widen(e, e * e);
  };
  int64_t j = 0;
  for (; j + 64 <= classes; j += 64) {  // at most four terms a lane in float32, then on in float64
    for (int line = 0; line < 4; ++line) {
      __builtin_prefetch(reinterpret_cast<const char*>(x + j + 16 * line) + kPrefetchBytes, 0, 2);
    }
    if (CALIBENCH_UNLIKELY(index >= j && index < j + 64)) {
      for (int64_t at = j; at < j + 64; at += 16) careful(at);
      continue;
    }
    F s0 = zero, s1 = zero, q0 = zero, q1 = zero;
    add_term(power(load16(x + j)), &s0, &q0);
    add_term(power(load16(x + j + 16)), &s1, &q1);
    add_term(power(load16(x + j + 32)), &s0, &q0);
    add_term(power(load16(x + j + 48)), &s1, &q1);
    widen(s0 + s1, q0 + q1);
  }
  for (; j < classes; j += 16) careful(j);
  *others = sum(s_all);
  *squares = sum(q_all);
}

// One row in float32 into lane i of the block. Three readings of the row, the second and third from cache:
// its range; where the largest score is; the sums. NaN is not looked for: it passes into the sums, and
// infinities show in the range.
template <typename T>
CALIBENCH_FUNCTION void fast_row(const T* x, int64_t classes, int i, RowBlock* block) {
  const float first = to_float(x[0]);
  F top0 = set(first), top1 = top0, least0 = top0, least1 = top0;
  int64_t j = 0;
  for (; j + 32 <= classes; j += 32) {
    const F a = load16(x + j), b = load16(x + j + 16);
    top0 = max(a, top0);
    top1 = max(b, top1);
    least0 = min(a, least0);
    least1 = min(b, least1);
  }
  for (; j < classes; j += 16) {
    const F a = j + 16 <= classes ? load16(x + j) : load16(x + j, classes - j, first);
    top0 = max(a, top0);
    least0 = min(a, least0);
  }
  const float top = largest(max(top0, top1)), least = smallest(min(least0, least1));
  int64_t index = 0;
  for (j = 0; j < classes; j += 16) {
    const F a = j + 16 <= classes ? load16(x + j) : load16(x + j, classes - j, first);
    const unsigned hits = bits(equal(a, set(top)));
    if (CALIBENCH_UNLIKELY(hits)) {
      index = j + __builtin_ctz(hits);
      break;
    }
  }
  const float c = top * kLog2eHigh + kRoundF - kRoundF;
  const bool near = least >= top - kLowest && top <= kFastTop && top >= -kFastTop;
  if (near) {
    fast_sums<false>(x, classes, index, top, c, &block->others[i], &block->squares[i]);
    block->finite[i] = block->others[i] - block->others[i] == 0.0;
  } else {
    fast_sums<true>(x, classes, index, top, c, &block->others[i], &block->squares[i]);
    block->finite[i] = all_finite(x, classes);
  }
  block->top[i] = top;
  block->unit[i] = first_lane(exp2_shifted(set(top), set(kRoundF - c)));
  block->ties[i] = 0.0;  // a tie is a term like any other: one unit
  block->prediction[i] = index;
}

// Sixteen narrow rows at once, a lane each, into lanes i .. i + 15; `staged` holds class j of the rows at
// staged + 16 j.
CALIBENCH_FUNCTION void fast_columns(const float* staged, int64_t classes, int i, RowBlock* block) {
  const F zero = set(0.0f), one = set(1.0f);
  F top = load(staged), index = zero, bad = top * zero;
  for (int64_t j = 1; j < classes; ++j) {
    const F x = load(staged + 16 * j);
    const Mask16 larger = less(top, x);
    top = select(larger, x, top);
    index = select(larger, set(static_cast<float>(j)), index);
    bad = fma(x, zero, bad);
  }
  const F c = fma(top, set(kLog2eHigh), set(kRoundF)) - set(kRoundF);
  const F round_minus_c = set(kRoundF) - c, floor = top - set(kLowest),
          unit = exp2_shifted(top, round_minus_c);
  F ties = zero - one;
  D others[2] = {set(0.0), set(0.0)}, squares[2] = {set(0.0), set(0.0)};
  for (int64_t start = 0; start < classes; start += 4) {
    F s = zero, q = zero;
    const int64_t end = least(start + 4, classes);
    for (int64_t j = start; j < end; ++j) {
      const F x = load(staged + 16 * j);
      const Mask16 hit = equal(x, top);
      const F e = select(hit, zero, exp2_shifted(max(x, floor), round_minus_c));
      ties = ties + select(hit, one, zero);
      s = s + e;
      q = fma(e, e, q);
    }
    others[0] = others[0] + low(s);
    others[1] = others[1] + high(s);
    squares[0] = squares[0] + low(q);
    squares[1] = squares[1] + high(q);
  }
  alignas(64) float indices[16];
  store(indices, index);
  const unsigned finite = bits(equal(bad, zero));
  for (int half = 0; half < 2; ++half) {
    const int at = i + 8 * half;
    store(block->top + at, half ? high(top) : low(top));
    store(block->unit + at, half ? high(unit) : low(unit));
    store(block->ties + at, half ? high(ties) : low(ties));
    store(block->others + at, others[half]);
    store(block->squares + at, squares[half]);
  }
  for (int l = 0; l < 16; ++l) {
    block->prediction[i + l] = static_cast<int64_t>(indices[l]);
    block->finite[i + l] = finite >> l & 1;
  }
}

// One row in float64 into lane i: terms exp(x_j - top) of logits, or p_j themselves.
template <bool kFromProbs, typename T>
CALIBENCH_FUNCTION void exact_row(const T* x, int64_t classes, int i, RowBlock* block) {
  const double first = to_double(x[0]);
  D top_lanes = set(first), least_lanes = top_lanes, bad = set(0.0);
  for (int64_t j = 0; j < classes; j += 8) {
    const D a = j + 8 <= classes ? load8(x + j) : load8(x + j, classes - j, first);
    top_lanes = max(a, top_lanes);
    if constexpr (kFromProbs) least_lanes = min(a, least_lanes);
    bad = fma(a, set(0.0), bad);
  }
  const double top = largest(top_lanes);
  const D vtop = set(top);
  D others = set(0.0), squares = others;
  int64_t index = -1;
  int hits_total = 0;
  for (int64_t start = 0; start < classes;
       start += 512) {  // short runs: the error stays that of 64 + K / 512 terms
    const int64_t end = least<int64_t>(start + 512, classes);
    D s = set(0.0), q = s;
    for (int64_t j = start; j < end; j += 8) {
      const D a = j + 8 <= classes ? load8(x + j) : load8(x + j, classes - j, top);
      D e = kFromProbs ? a : exp(a - vtop);
      const Mask8 hits = equal(a, vtop);
      if (CALIBENCH_UNLIKELY(bits(hits))) {
        const unsigned real = bits(hits) & (classes - j >= 8 ? 0xffu : (1u << (classes - j)) - 1);
        if (real) note_hits(real, j, &index, &hits_total);
        e = select(hits, set(0.0), e);
      }
      s = s + e;
      q = fma(e, e, q);
    }
    others = others + s;
    squares = squares + q;
  }
  block->top[i] = top;
  block->others[i] = sum(others);
  block->squares[i] = sum(squares);
  block->ties[i] = hits_total - 1;
  block->prediction[i] = index;
  block->finite[i] = bits(equal(bad, set(0.0))) == 0xffu;
  if constexpr (kFromProbs) block->proper[i] = smallest(least_lanes) >= 0.0 && top <= kProbabilityCeiling;
}

}  // namespace calibench::CALIBENCH_ISA
