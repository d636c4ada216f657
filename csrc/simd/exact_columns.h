// Narrow rows in float64: eight rows at once, one per lane. exact_row takes as long for one row of ten
// classes as this for eight.
#pragma once

namespace calibench::CALIBENCH_ISA {

constexpr int64_t kExactNarrow = 32;  // up to this number of classes

// Copies eight rows to `staged`, transposed: class j of the eight rows at staged + 8 j.
template <typename T>
CALIBENCH_FUNCTION void stage_exact(const T* const* rows, int64_t classes, int64_t class_stride,
                                    double* staged) {
  for (int64_t j = 0; j < classes; ++j) {
    const int64_t at = j * class_stride;
    for (int l = 0; l < 8; ++l) staged[8 * j + l] = to_double(rows[l][at]);
  }
}

// Fills rows i .. i + 7 of the block. The sums are those of exact_row, in another order.
template <bool kFromProbs>
CALIBENCH_FUNCTION void exact_columns(const double* staged, int64_t classes, int i, RowBlock* block) {
  const D zero = set(0.0), one = set(1.0);
  D top = load(staged), bottom = top, bad = top * zero;
  for (int64_t j = 1; j < classes; ++j) {
    const D x = load(staged + 8 * j);
    top = max(top, x);
    if constexpr (kFromProbs) bottom = min(bottom, x);
    bad = fma(x, zero, bad);
  }
  D index = set(static_cast<double>(classes)), first = zero, count = set(kCountFrom);
  D others = zero, squares = zero;
  for (int64_t j = classes - 1; j >= 0; --j) {  // downwards, so that the first of equal scores is kept
    const D x = load(staged + 8 * j);
    const Mask8 other = differ(x, top);
    index = index - one;
    first = select(other, first, index);
    count = count_lanes(count, other);
    const D e = keep(other, kFromProbs ? x : exp(x - top));
    others = others + e;
    squares = fma(e, e, squares);
  }
  store(block->top + i, top);
  store(block->others + i, others);
  store(block->squares + i, squares);
  store(block->ties + i, set(kCountFrom + static_cast<double>(classes - 1)) - count);
  store_integers(block->prediction + i, first);
  block->infinite |= static_cast<uint64_t>(~bits(equal(bad, zero)) & 0xffu) << i;
  if constexpr (kFromProbs) {
    const unsigned outside = bits(less(bottom, zero)) | bits(less(set(kProbabilityCeiling), top));
    block->out_of_range |= static_cast<uint64_t>(outside) << i;
  }
}

}  // namespace calibench::CALIBENCH_ISA
