// One wide row in float32: first its largest score and the index of it, then the sums over the other scores.
// Memory is read once, ahead of use; the second pass over the row reads the cache.
#pragma once

namespace calibench::CALIBENCH_ISA {

constexpr int64_t kRun = 128;  // classes searched for the largest score in one step

// Distance ahead of use. Hardware prefetch stops at the end of a page, and rows end there.
constexpr int64_t kPrefetchBytes = 8192;

// Classes whose memory is requested together. Evenly spread requests, or larger portions, delay the sums by
// 10 to 30 %.
constexpr int64_t kBurst = 2 * kRun;

// If a burst begins at class j, requests the memory kPrefetchBytes after it. The first pass over a row, which
// is short, requests a quarter of it and the second pass the rest, so that memory is never idle.
enum class Pass { kFirst, kSecond };
template <Pass kPass, typename T>
CALIBENCH_INLINE void prefetch(const T* x, int64_t j) {
  if (j % kBurst != 0) return;
  constexpr int kLines = static_cast<int>(kBurst * sizeof(T) / 64), kQuarter = kLines / 4;
  const char* ahead = reinterpret_cast<const char*>(x + j) + kPrefetchBytes;
  constexpr int kFrom = kPass == Pass::kFirst ? 0 : kQuarter;
  constexpr int kTo = kPass == Pass::kFirst ? kQuarter : kLines;
  for (int line = kFrom; line < kTo; ++line) __builtin_prefetch(ahead + 64 * line, 0, 3);
}

// True if every score is finite: 0 * x is NaN if x is not.
template <typename T>
CALIBENCH_FUNCTION bool all_finite(const T* x, int64_t classes) {
  F bad = set(0.0f);
  for (int64_t j = 0; j < classes; j += 16) {
    bad = fma(j + 16 <= classes ? load16(x + j) : load16(x + j, classes - j, 0.0f), set(0.0f), bad);
  }
  return bits(equal(bad, set(0.0f))) == 0xffffu;
}

struct RowRange {
  float top, bottom;
  int64_t index;  // the first class with the largest score; any class if the row contains NaN
};

// The first class in [begin, end), which are at most kRun classes, whose score is `top`.
template <typename T>
CALIBENCH_INLINE int64_t find_in_run(const T* x, int64_t begin, int64_t end, float top) {
  uint64_t hits[2] = {0, 0};
  if (end - begin == kRun) {  // without branches: the index of the largest score is unpredictable
    for (int v = 0; v < 8; ++v) {
      hits[v / 4] |= static_cast<uint64_t>(bits(equal(load16(x + begin + 16 * v), set(top)))) << 16 * (v % 4);
    }
  } else {
    for (int64_t j = begin; j < end; ++j) {
      if (to_float(x[j]) == top) return j;
    }
  }
  const bool second_half = hits[0] == 0;
  const uint64_t half_hits = second_half ? hits[1] : hits[0];
  return half_hits == 0 ? begin : begin + 64 * second_half + __builtin_ctzll(half_hits);
}

template <typename T>
CALIBENCH_INLINE RowRange find_range(const T* x, int64_t classes) {
  const float first = to_float(x[0]);
  F top = set(first), bottom = top, top_run = set(0.0f), run = top_run;
  int64_t j = 0;
  auto record_run = [&](F run_max, F run_min) __attribute__((always_inline)) {
    top_run = select(less(top, run_max), run, top_run);
    top = max(run_max, top);
    bottom = min(run_min, bottom);
    run = run + set(1.0f);
  };
  for (; j + kRun <= classes; j += kRun) {
    prefetch<Pass::kFirst>(x, j);
    F run_max[2] = {load16(x + j), load16(x + j + 16)}, run_min[2] = {run_max[0], run_max[1]};
    for (int v = 2; v < 8; ++v) {
      const F a = load16(x + j + 16 * v);
      run_max[v % 2] = max(a, run_max[v % 2]);
      run_min[v % 2] = min(a, run_min[v % 2]);
    }
    record_run(max(run_max[0], run_max[1]), min(run_min[0], run_min[1]));
  }
  F run_max = set(first), run_min = run_max;
  for (int64_t at = j; at < classes; at += 16) {
    const F a = at + 16 <= classes ? load16(x + at) : load16(x + at, classes - at, first);
    run_max = max(a, run_max);
    run_min = min(a, run_min);
  }
  record_run(run_max, run_min);
  RowRange range{largest(top), smallest(bottom), 0};
  // `top_run` holds, per lane, the run that raised it last. The first run that raised a lane to the largest
  // score contains the first class with that score.
  const float runs = static_cast<float>(j / kRun);
  const float first_run = smallest(select(equal(top, set(range.top)), top_run, set(runs)));
  const int64_t begin = static_cast<int64_t>(first_run) * kRun;
  range.index = find_in_run(x, begin, min_of(begin + kRun, classes), range.top);
  return range;
}

// The unit of the terms e_j.
enum class Terms {
  kPlain,    // 1: c = 0
  kShifted,  // 2^c
  kClamped   // 2^c; scores far below the largest are raised, so that every term is normal
};

// Sums over all classes but `index` of e_j = 2^(x_j log2(e) - c) and, with kSquares, of e_j^2.
template <Terms kTerms, bool kSquares, typename T>
CALIBENCH_FUNCTION void fast_sums(const T* x, int64_t classes, int64_t index, float top, float c,
                                  double* others, double* squares) {
  alignas(64) static const float kLanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const F round_minus_c = set(kRoundPowerF - c), floor = set(top - kLowest), zero = set(0.0f),
          lanes = load(kLanes);
  D s_all = set(0.0), q_all = s_all;
  auto power = [&](F a) __attribute__((always_inline)) {
    if constexpr (kTerms == Terms::kPlain) return exp2_plain(a);
    return exp2_shifted(kTerms == Terms::kClamped ? max(floor, a) : a, round_minus_c);
  };
  auto widen = [&](F s, F q) __attribute__((always_inline)) {
    s_all = s_all + (low(s) + high(s));
    if constexpr (kSquares) q_all = q_all + (low(q) + high(q));
  };
  // Adds at most one run, without the largest score and without the lanes past the last class.
  auto add_partial_run = [&](int64_t begin, int64_t end) __attribute__((always_inline)) {
    F s = zero, q = zero;
    for (int64_t at = begin; at < end; at += 16) {
      const int64_t n = end - at, lane = index - at;
      F e = power(n >= 16 ? load16(x + at) : load16(x + at, n, top));
      if (n < 16) e = select(less(lanes, set(static_cast<float>(n))), e, zero);
      if (CALIBENCH_UNLIKELY(lane >= 0 && lane < 16)) {
        e = select(equal(lanes, set(static_cast<float>(lane))), zero, e);
      }
      s = s + e;
      if constexpr (kSquares) q = fma(e, e, q);
    }
    widen(s, q);
  };
  int64_t j = 0;
  F s[2] = {zero, zero}, q[2] = {zero, zero};
  for (; j + kRun <= classes; j += kRun) {
    prefetch<Pass::kSecond>(x, j);
    if (CALIBENCH_UNLIKELY(index >= j && index < j + kRun)) {
      add_partial_run(j, j + kRun);
    } else {
      for (int v = 0; v < 8; ++v) {
        const F e = power(load16(x + j + 16 * v));
        s[v % 2] = s[v % 2] + e;
        if constexpr (kSquares) q[v % 2] = fma(e, e, q[v % 2]);
      }
    }
    if (j % kBurst != 0) {
      widen(s[0] + s[1], q[0] + q[1]);
      s[0] = s[1] = q[0] = q[1] = zero;
    }
  }
  widen(s[0] + s[1], q[0] + q[1]);
  if (j < classes) add_partial_run(j, classes);
  *others = sum(s_all);
  *squares = sum(q_all);
}

// Fills row i of the block. There is no search for NaN: it makes the sums NaN. An
// infinite score is seen in the range of the row.
template <bool kSquares, typename T>
CALIBENCH_FUNCTION void fast_row(const T* x, int64_t classes, int i, FastBlock* block) {
  const RowRange range = find_range(x, classes);
  const float top = range.top;
  const bool plain = range.bottom >= kPlainMin && top >= kPlainMinTop && top <= kPlainMax;
  const bool near = range.bottom >= top - kLowest && top <= kFastTop && top >= -kFastTop;
  const float c = plain ? 0.0f : top * kLog2eF + kRoundF - kRoundF;
  double *others = &block->others[i], *squares = &block->squares[i];
  if (plain) {
    fast_sums<Terms::kPlain, kSquares>(x, classes, range.index, top, c, others, squares);
  } else if (near) {
    fast_sums<Terms::kShifted, kSquares>(x, classes, range.index, top, c, others, squares);
  } else {
    fast_sums<Terms::kClamped, kSquares>(x, classes, range.index, top, c, others, squares);
  }
  const bool finite = plain || near ? *others - *others == 0.0 : all_finite(x, classes);
  block->infinite |= static_cast<uint64_t>(!finite) << i;
  block->top[i] = top;
  block->too_large |= static_cast<uint64_t>(!(top < kFastTop && top > -kFastTop)) << i;
  block->inverse_unit[i] = 1.0f / first_lane(exp2_shifted(set(top), set(kRoundPowerF - c)));
  block->ties[i] = 0.0f;  // a tie is a term like the others: 1 unit
  block->prediction[i] = range.index;
}

}  // namespace calibench::CALIBENCH_ISA
