// One wide row in float32: where its largest score is, then the sums over the others. Memory is read once,
// ahead of use; the second reading finds the row in the cache.
#pragma once

namespace calibench::CALIBENCH_ISA {

constexpr int64_t kRun = 128;  // classes that are searched for the largest score at one go
constexpr int64_t kPrefetchBytes =
    8192;  // ahead of the row: rows end at pages, where hardware prefetch stops

constexpr int64_t kBurst = 2 * kRun;  // classes whose memory is asked for at one go: evenly spread, or in
                                      // larger portions, requests hold up the sums by 10 to 30 %

// Asks for the burst kPrefetchBytes behind class j, where one begins. The first reading, which is short, asks
// for a quarter and the second for the rest, so that memory is never idle.
enum class Reading { kFirst, kSecond };
template <Reading kReading, typename T>
CALIBENCH_INLINE void prefetch(const T* x, int64_t j) {
  if (j % kBurst != 0) return;
  constexpr int kLines = static_cast<int>(kBurst * sizeof(T) / 64), kQuarter = kLines / 4;
  const char* ahead = reinterpret_cast<const char*>(x + j) + kPrefetchBytes;
  constexpr int kFrom = kReading == Reading::kFirst ? 0 : kQuarter;
  constexpr int kTo = kReading == Reading::kFirst ? kQuarter : kLines;
  for (int line = kFrom; line < kTo; ++line) __builtin_prefetch(ahead + 64 * line, 0, 3);
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

struct RowRange {
  float top, least;
  int64_t index;  // the first class with the largest score; any class where the row holds NaN
};

// The first of classes [begin, end), at most kRun, whose score is `top`.
template <typename T>
CALIBENCH_INLINE int64_t find_in_run(const T* x, int64_t begin, int64_t end, float top) {
  uint64_t hits[2] = {0, 0};
  if (end - begin == kRun) {  // without branches: where the largest score lies cannot be foretold
    for (int v = 0; v < 8; ++v) {
      hits[v / 4] |= static_cast<uint64_t>(bits(equal(load16(x + begin + 16 * v), set(top)))) << 16 * (v % 4);
    }
  } else {
    for (int64_t j = begin; j < end; ++j) {
      if (to_float(x[j]) == top) return j;
    }
  }
  const bool late = hits[0] == 0;
  const uint64_t found = late ? hits[1] : hits[0];
  return found == 0 ? begin : begin + 64 * late + __builtin_ctzll(found);
}

template <typename T>
CALIBENCH_INLINE RowRange find_range(const T* x, int64_t classes) {
  const float first = to_float(x[0]);
  F top = set(first), least_lanes = top, where = set(0.0f), run = where;
  int64_t j = 0;
  auto note_run = [&](F most, F fewest) __attribute__((always_inline)) {
    where = select(less(top, most), run, where);
    top = max(most, top);
    least_lanes = min(fewest, least_lanes);
    run = run + set(1.0f);
  };
  for (; j + kRun <= classes; j += kRun) {
    prefetch<Reading::kFirst>(x, j);
    F most[2] = {load16(x + j), load16(x + j + 16)}, fewest[2] = {most[0], most[1]};
    for (int v = 2; v < 8; ++v) {
      const F a = load16(x + j + 16 * v);
      most[v % 2] = max(a, most[v % 2]);
      fewest[v % 2] = min(a, fewest[v % 2]);
    }
    note_run(max(most[0], most[1]), min(fewest[0], fewest[1]));
  }
  F most = set(first), fewest = most;
  for (int64_t at = j; at < classes; at += 16) {
    const F a = at + 16 <= classes ? load16(x + at) : load16(x + at, classes - at, first);
    most = max(a, most);
    fewest = min(a, fewest);
  }
  note_run(most, fewest);
  RowRange range{largest(top), smallest(least_lanes), 0};
  // The first run that raised a lane to the largest score holds its first class.
  const float runs = static_cast<float>(j / kRun);
  const float found = smallest(select(equal(top, set(range.top)), where, set(runs)));
  const int64_t begin = static_cast<int64_t>(found) * kRun;
  range.index = find_in_run(x, begin, least(begin + kRun, classes), range.top);
  return range;
}

// How terms are taken: of scores that need no reference; relative to 2^c; or so, with scores far below the
// largest raised to where a power of 2 is a normal number.
enum class Terms { kPlain, kShifted, kClamped };

// Sums over the classes but `index` of e_j = 2^(x_j log2(e) - c) and, if asked, of e_j^2; plain terms have c
// = 0.
template <Terms kTerms, bool kSquares, typename T>
CALIBENCH_FUNCTION void fast_sums(const T* x, int64_t classes, int64_t index, float top, float c,
                                  double* others, double* squares) {
  alignas(64) static const float kLanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const F round_minus_c = set(kRoundF - c), floor = set(top - kLowest), zero = set(0.0f),
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
  // At most a run, without the largest score and without the lanes behind the last class.
  auto careful = [&](int64_t begin, int64_t end) __attribute__((always_inline)) {
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
    prefetch<Reading::kSecond>(x, j);
    if (CALIBENCH_UNLIKELY(index >= j && index < j + kRun)) {
      careful(j, j + kRun);
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
  if (j < classes) careful(j, classes);
  *others = sum(s_all);
  *squares = sum(q_all);
}

// One row into lane i of the block. NaN is not looked for: it passes into the sums, and infinities show in
// the range.
template <bool kSquares, typename T>
CALIBENCH_FUNCTION void fast_row(const T* x, int64_t classes, int i, RowBlock* block) {
  const RowRange range = find_range(x, classes);
  const float top = range.top;
  const bool plain = range.least >= kPlainLeast && top >= kPlainLow && top <= kPlainMost;
  const bool near = range.least >= top - kLowest && top <= kFastTop && top >= -kFastTop;
  const float c = plain ? 0.0f : top * kLog2eF + kRoundF - kRoundF;
  double *others = &block->others[i], *squares = &block->squares[i];
  if (plain) {
    fast_sums<Terms::kPlain, kSquares>(x, classes, range.index, top, c, others, squares);
  } else if (near) {
    fast_sums<Terms::kShifted, kSquares>(x, classes, range.index, top, c, others, squares);
  } else {
    fast_sums<Terms::kClamped, kSquares>(x, classes, range.index, top, c, others, squares);
  }
  block->finite[i] = plain || near ? *others - *others == 0.0 : all_finite(x, classes);
  block->top[i] = top;
  block->unit[i] = first_lane(exp2_shifted(set(top), set(kRoundF - c)));
  block->ties[i] = 0.0;  // a tie is a term like any other: one unit
  block->prediction[i] = range.index;
}

}  // namespace calibench::CALIBENCH_ISA
