// One wide row in float32: where its largest score is, then the sums over the others. Memory is read once,
// ahead of use; the second reading finds the row in the cache.
#pragma once

namespace calibench::CALIBENCH_ISA {

constexpr int64_t kRun = 128;  // classes between two additions in float64: four terms a lane in float32
constexpr int64_t kPrefetchBytes =
    8192;  // ahead of the row: rows end at pages, where hardware prefetch stops

// Asks for cache lines [first, last) of the run that lies kPrefetchBytes behind x. The first reading, which
// is short, asks for a quarter and the second for the rest, so that memory is never idle.
template <typename T>
CALIBENCH_INLINE void prefetch_run(const T* x, int first, int last) {
  const char* ahead = reinterpret_cast<const char*>(x) + kPrefetchBytes;
  for (int line = first; line < last; ++line) __builtin_prefetch(ahead + 64 * line, 0, 3);
}
template <typename T>
constexpr int kRunLines = static_cast<int>(kRun * sizeof(T) / 64);

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
    prefetch_run(x + j, 0, kRunLines<T> / 4);
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

// Sums over the classes but `index` of e_j = 2^(x_j log2(e) - c) and, if asked, of e_j^2. kClamp: some score
// lies so far below the largest that its power of 2 would not be a normal number.
template <bool kClamp, bool kSquares, typename T>
CALIBENCH_FUNCTION void fast_sums(const T* x, int64_t classes, int64_t index, float top, float c,
                                  double* others, double* squares) {
  alignas(64) static const float kLanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const F round_minus_c = set(kRoundF - c), floor = set(top - kLowest), zero = set(0.0f),
          lanes = load(kLanes);
  D s_all = set(0.0), q_all = s_all;
  auto power = [&](F a) __attribute__((always_inline)) {
    return exp2_shifted(kClamp ? max(floor, a) : a, round_minus_c);
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
  for (; j + kRun <= classes; j += kRun) {
    prefetch_run(x + j, kRunLines<T> / 4, kRunLines<T>);
    if (CALIBENCH_UNLIKELY(index >= j && index < j + kRun)) {
      careful(j, j + kRun);
      continue;
    }
    F s[2] = {zero, zero}, q[2] = {zero, zero};
    for (int v = 0; v < 8; ++v) {
      const F e = power(load16(x + j + 16 * v));
      s[v % 2] = s[v % 2] + e;
      if constexpr (kSquares) q[v % 2] = fma(e, e, q[v % 2]);
    }
    widen(s[0] + s[1], q[0] + q[1]);
  }
  if (j < classes) careful(j, classes);
  *others = sum(s_all);
  *squares = sum(q_all);
}

// One row into lane i of the block. NaN is not looked for: it passes into the sums, and infinities show in
// the range.
template <bool kSquares, typename T>
CALIBENCH_FUNCTION void fast_row(const T* x, int64_t classes, int i, RowBlock* block) {
  const RowRange range = find_range(x, classes);
  const float top = range.top, c = top * kLog2eF + kRoundF - kRoundF;
  const bool near = range.least >= top - kLowest && top <= kFastTop && top >= -kFastTop;
  double *others = &block->others[i], *squares = &block->squares[i];
  if (near) {
    fast_sums<false, kSquares>(x, classes, range.index, top, c, others, squares);
    block->finite[i] = *others - *others == 0.0;
  } else {
    fast_sums<true, kSquares>(x, classes, range.index, top, c, others, squares);
    block->finite[i] = all_finite(x, classes);
  }
  block->top[i] = top;
  block->unit[i] = first_lane(exp2_shifted(set(top), set(kRoundF - c)));
  block->ties[i] = 0.0;  // a tie is a term like any other: one unit
  block->prediction[i] = range.index;
}

}  // namespace calibench::CALIBENCH_ISA
