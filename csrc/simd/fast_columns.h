// Narrow rows in float32: sixteen rows at once, one per lane, so that no lane idles and no sum crosses lanes.
#pragma once

namespace calibench::CALIBENCH_ISA {

constexpr int64_t kNarrow = 256;  // up to this number of classes it is faster than one row at a time

// Copies sixteen rows, at `rows[l]`, to `staged`, transposed: class j of the sixteen rows at staged + 16 j.
template <typename T>
CALIBENCH_INLINE void stage_columns(const T* const* rows, int64_t classes, int64_t class_stride,
                                    float* staged) {
  int64_t j = 0;
  if (class_stride == 1) {
    for (; j + 4 <= classes; j += 4) {
      F v[4];
      for (int r = 0; r < 4; ++r)
        v[r] = quads(rows[r] + j, rows[r + 4] + j, rows[r + 8] + j, rows[r + 12] + j);
      transpose_quads(v);
      for (int r = 0; r < 4; ++r) store(staged + 16 * (j + r), v[r]);
    }
  }
  for (; j < classes; ++j) {
    for (int l = 0; l < 16; ++l) staged[16 * j + l] = to_float(rows[l][j * class_stride]);
  }
}

// Fills rows i .. i + 15 of the block from `staged`, which holds
// class j of the sixteen rows at staged + 16 j.
template <bool kSquares>
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
  const F c = fma(top, set(kLog2eF), set(kRoundF)) - set(kRoundF);
  const F round_minus_c = set(kRoundF) - c, floor = top - set(kLowest),
          unit = exp2_shifted(top, round_minus_c);
  F ties = zero - one;
  D others[2] = {set(0.0), set(0.0)}, squares[2] = {set(0.0), set(0.0)};
  auto add_terms = [&](int64_t begin, int64_t end) __attribute__((always_inline)) {
    F s = zero, q = zero;
    for (int64_t j = begin; j < end; ++j) {
      const F x = load(staged + 16 * j);
      const Mask16 hit = equal(x, top);
      const F e = select(hit, zero, exp2_shifted(max(x, floor), round_minus_c));
      ties = ties + select(hit, one, zero);
      s = s + e;
      if constexpr (kSquares) q = fma(e, e, q);
    }
    others[0] = others[0] + low(s);
    others[1] = others[1] + high(s);
    if constexpr (kSquares) {
      squares[0] = squares[0] + low(q);
      squares[1] = squares[1] + high(q);
    }
  };
  int64_t j = 0;
  for (; j + 8 <= classes; j += 8) add_terms(j, j + 8);
  if (j < classes) add_terms(j, classes);
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

}  // namespace calibench::CALIBENCH_ISA
