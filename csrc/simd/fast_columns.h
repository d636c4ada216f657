// Narrow rows in float32: one row per lane, so that no lane idles and no sum crosses lanes.
#pragma once

namespace calibench::CALIBENCH_ISA {

constexpr int64_t kNarrow = 256;  // up to this number of classes it is faster than one row at a time

// Copies sixteen rows to `staged`, transposed: class j of the sixteen rows at staged + 16 j. The lanes past
// row `last` repeat it.
template <bool kWhole, typename T>
CALIBENCH_INLINE void stage_columns(const T* x, int64_t row_stride, int64_t last, int64_t classes,
                                    int64_t class_stride, float* staged) {
  int64_t offsets[16];
  for (int64_t l = 0; l < 16; ++l) offsets[l] = (kWhole ? l : min_of(l, last)) * row_stride;
  if (class_stride != 1 || classes < 4) {
    for (int64_t j = 0; j < classes; ++j, x += class_stride) {
      for (int64_t l = 0; l < 16; ++l) staged[16 * j + l] = to_float(x[offsets[l]]);
    }
    return;
  }
  const auto row = [&](int64_t l)
                       __attribute__((always_inline)) { return x + (kWhole ? l * row_stride : offsets[l]); };
  for (int64_t j = 0; j < classes; j += 4) {
    if (j + 4 > classes) j = classes - 4;  // again some of the classes before
    F v[4];
    for (int64_t r = 0; r < 4; ++r) v[r] = quads(row(r) + j, row(r + 4) + j, row(r + 8) + j, row(r + 12) + j);
    transpose_quads(v);
    for (int r = 0; r < 4; ++r) store(staged + 16 * (j + r), v[r]);
  }
}

// The classes with the largest score, while the classes go by downwards. A set of up to 32 classes takes two
// steps per class; beyond, the index of the first takes four, and the number of others one.
template <bool kSet>
struct TopClasses {
  G others, index, first;

  CALIBENCH_INLINE TopClasses start(G top, int64_t classes) {
    const G zero = set_like(top, 0.0f);
    return {kSet ? zero : set_like(top, kCountFromF), set_like(top, static_cast<float>(classes)), zero};
  }
  CALIBENCH_HD void pass(MaskG other, int64_t j) {
    if constexpr (kSet) {
      others = set_bit(others, other, j);
    } else {
      others = count_lanes(others, other);
      index = index - set_like(index, 1.0f);
      first = select(other, first, index);
    }
  }
  // Stores the first of the classes with the largest score, and the number of further ones.
  CALIBENCH_HD void finish(int64_t classes, int64_t* prediction, float* ties) const {
    if constexpr (!kSet) {
      store_integers(prediction, first);
      store_group(ties, set_like(first, kCountFromF + static_cast<float>(classes - 1)) - others);
      return;
    }
    const G tops = complement(others, classes);
    unsigned several;
    store_integers(prediction, lowest_bit(tops, &several));
    store_group(ties, set_like(tops, 0.0f));
    if (CALIBENCH_UNLIKELY(several)) {
      float sets[kGroup];
      store_group(sets, tops);
      for (; several != 0; several &= several - 1) {
        const int l = __builtin_ctz(several);
        uint32_t bits;
        memcpy(&bits, &sets[l], sizeof(bits));
        ties[l] = static_cast<float>(__builtin_popcount(bits) - 1);
      }
    }
  }
};

// Fills kGroup rows of the block, from row i on, from `staged`, which holds class j of row l at
// staged[16 j + l]. kSet if there are at most 32 classes.
template <bool kSquares, bool kSet>
CALIBENCH_INLINE void fast_group(const float* staged, int64_t classes, int i, FastBlock* block) {
  constexpr int kParts = kGroup / 8;
  G top = load_group(staged);
  const G zero = set_like(top, 0.0f), one = set_like(top, 1.0f);
  G bad = top * zero;
  const float* const last = staged + 16 * (classes - 1);
#pragma GCC unroll 4
  for (const float* at = staged + 16; at <= last; at += 16) {
    const G x = load_group(at);
    top = max(top, x);
    bad = fma(x, zero, bad);
  }
  const G round = set_like(top, kRoundF), power = set_like(top, kRoundPowerF);
  const G c = fma(top, set_like(top, kLog2eF), round) - round;
  const G round_minus_c = power - c, floor = top - set_like(top, kLowest);
  auto top_classes = TopClasses<kSet>::start(top, classes);
  D others[kParts], squares[kParts];
  for (int p = 0; p < kParts; ++p) others[p] = squares[p] = set(0.0);
  const auto add_terms = [&](int64_t begin, int64_t end) __attribute__((always_inline)) {
    G s = zero, q = zero;
    const float* at = staged + 16 * end;
#pragma GCC unroll 8
    for (int64_t j = end - 1; j >= begin; --j) {  // downwards, so that the first of equal scores is kept
      const G x = load_group(at -= 16);
      const MaskG other = differ(x, top);
      top_classes.pass(other, j);
      const G e = keep(other, exp2_shifted(max(x, floor), round_minus_c));
      s = s + e;
      if constexpr (kSquares) q = fma(e, e, q);
    }
    for (int p = 0; p < kParts; ++p) {
      others[p] = others[p] + widen(s, p);
      if constexpr (kSquares) squares[p] = squares[p] + widen(q, p);
    }
  };
  int64_t end = classes;
  for (; end >= 8; end -= 8) add_terms(end - 8, end);
  if (end > 0) add_terms(0, end);
  for (int p = 0; p < kParts; ++p) {
    store(block->others + i + 8 * p, others[p]);
    store(block->squares + i + 8 * p, squares[p]);
  }
  store_group(block->top + i, top);
  store_group(block->inverse_unit + i, one / exp2_shifted(top, round_minus_c));
  top_classes.finish(classes, block->prediction + i, block->ties + i);
  const unsigned fits = bits(less(max(top, zero - top), set_like(top, static_cast<float>(kFastTop))));
  constexpr unsigned kAll = (1u << kGroup) - 1;
  block->too_large |= static_cast<uint64_t>(~fits & kAll) << i;
  block->infinite |= static_cast<uint64_t>(~bits(equal(bad, zero)) & kAll) << i;
}

// Fills rows i .. i + 15 of the block.
template <bool kSquares, bool kSet>
CALIBENCH_FUNCTION void fast_columns(const float* staged, int64_t classes, int i, FastBlock* block) {
  for (int l = 0; l < 16; l += kGroup) fast_group<kSquares, kSet>(staged + l, classes, i + l, block);
}

}  // namespace calibench::CALIBENCH_ISA
