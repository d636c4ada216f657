// softmax_threshold, softmax_threshold_sets and sigmoid_threshold. The test p_k >= t_k is
// computed as x_k - logsumexp(x) >= ln t_k, which needs no probability. Scores close to equality
// are tested again by the definition, in float64.
#pragma once

#include "../core/thresholds.h"

namespace calibench::CALIBENCH_ISA {

constexpr double kExactMargin = 1e-9;  // distance of two logarithms; far above the error of float64
// If both sides are below it, exp underflows and the definition must decide.
constexpr double kTinyLog = -700.0;
// Beyond it float64 cannot represent 1 - p, and ln(t / (1 - t)) may be infinite.
constexpr double kSaturatedSigmoid = 36.0;

struct RowMass {
  double top;
  double confidence;
  double log_mass;  // ln sum exp(x_j - top)
  int64_t prediction;
};

template <typename T>
CALIBENCH_FUNCTION RowMass exact_mass(const T* x, int64_t classes) {
  RowBlock block;
  exact_row<false>(x, classes, 0, &block);
  const double tail = block.others[0] + block.ties[0];
  return {block.top[0], 1.0 / (1.0 + tail), ::log1p(tail), block.prediction[0]};
}

// Writes the most probable class that passes by the definition, -1 if none passes, and its confidence.
template <typename T>
CALIBENCH_FUNCTION void decide_exactly(const ThresholdArgs& args, const T* x, int64_t row) {
  const RowMass mass = exact_mass(x, args.scores.classes);
  args.confidence[row] = mass.confidence;
  args.prediction[row] = -1;
  if (args.passes(mass.confidence, mass.prediction)) {
    args.prediction[row] = mass.prediction;
    return;
  }
  if (!args.per_class || mass.confidence < args.smallest) return;
  double best = -__builtin_inf();
  for (int64_t j = 0; j < args.scores.classes; j += 8) {
    const int64_t n = min_of<int64_t>(8, args.scores.classes - j);
    const D d = load8(x + j, n, mass.top) - set(mass.top), p = exp(d) * set(mass.confidence);
    const D t = load8(args.thresholds + j, n, 2.0);
    const unsigned close = bits(less(abs(p - t), t * set(kExactMargin))) | bits(less(d, set(kTinyLog)));
    const unsigned passes = ~bits(less(p, t)) | close;
    for (unsigned rest = passes & ((1u << n) - 1); rest != 0; rest &= rest - 1) {
      const int l = __builtin_ctz(rest);
      const double score = to_double(x[j + l]);
      if (score <= best) continue;
      const double exact = ::exp(score - mass.top) * mass.confidence;
      if (!args.passes(exact, j + l)) continue;
      best = score;
      args.prediction[row] = j + l;
      args.confidence[row] = exact;
    }
  }
}

// Stores the low n bits as n bytes of 0 or 1. One multiplication and a mask move each of
// the low 7 bits to the lowest bit of its byte.
CALIBENCH_INLINE void store_bits(unsigned bits, int64_t n, uint8_t* out) {
  const uint64_t low = (bits & 0x7fu) * 0x0002040810204081u & 0x0101010101010101u;
  const uint64_t spread = low | static_cast<uint64_t>(bits >> 7 & 1) << 56;
  if (n == 8) {
    memcpy(out, &spread, 8);
    return;
  }
  for (int64_t l = 0; l < n; ++l) out[l] = static_cast<uint8_t>(spread >> (8 * l));
}

// Writes the set of one row. Classes closer than `margin` to their threshold are decided by the definition if
// `exact`; else the function returns false at the first of them.
template <typename T>
CALIBENCH_FUNCTION bool fill_set(const ThresholdArgs& args, const T* x, int64_t row, const RowMass& mass,
                                 double margin, bool exact) {
  const int64_t K = args.scores.classes;
  uint8_t* row_set = args.sets + row * K;
  int64_t size = 0;
  for (int64_t j = 0; j < K; j += 8) {
    const int64_t n = min_of<int64_t>(8, K - j);
    const D a = n == 8 ? load8(x + j) : load8(x + j, n, mass.top);
    const D bound = !args.per_class ? set(args.bounds[0])
                    : n == 8        ? load(args.bounds + j)
                                    : load8(args.bounds + j, n, 1.0);
    const D d = (a - set(mass.top)) - set(mass.log_mass);  // subtract the top first: it may be 1e308
    unsigned inside = ~bits(less(d, bound)) & ((1u << n) - 1);
    const unsigned close = bits(less(abs(d - bound), set(margin)));
    const unsigned tiny = bits(less(d, set(kTinyLog))) & bits(less(bound, set(kTinyLog)));
    const unsigned open = (close | tiny) & ((1u << n) - 1);
    if (CALIBENCH_UNLIKELY(open)) {
      if (!exact) return false;
      for (unsigned rest = open; rest != 0; rest &= rest - 1) {
        const int l = __builtin_ctz(rest);
        const double p = ::exp(to_double(x[j + l]) - mass.top) * mass.confidence;
        inside = (inside & ~(1u << l)) | static_cast<unsigned>(args.passes(p, j + l)) << l;
      }
    }
    store_bits(inside, n, row_set + j);
    size += __builtin_popcount(inside);
  }
  args.sizes[row] = size;
  return true;
}

// The rows whose sums decide nothing.
CALIBENCH_INLINE uint64_t unreliable(const RowBlock&) { return 0; }
CALIBENCH_INLINE uint64_t unreliable(const FastBlock& block) { return block.too_large; }

// Writes the decisions of a block. Rows whose confidence is close to a threshold, or may exceed the threshold
// of a less probable class, are decided by the definition.
template <typename T, typename Block>
CALIBENCH_INLINE void decide_block(const ThresholdArgs& args, int64_t start, int rows,
                                   double half_log_classes, const Block& block, void* scratch) {
  constexpr double kMargin = kFast<T> ? kFastMargin : 0.0;
  alignas(64) double confidence[kBlockRows], thresholds[kBlockRows];
  alignas(64) int64_t prediction[kBlockRows];
  if (args.per_class) {
    for (int i = 0; i < rows; ++i) thresholds[i] = args.thresholds[block.prediction[i]];
    for (int i = rows; i % 8 != 0; ++i) thresholds[i] = 0.0;
  }
  const D shared_threshold = set(args.thresholds[0] + kMargin), smallest = set(args.smallest - kMargin);
  uint64_t open = unreliable(block);
  for (int i = 0; i < rows; i += 8) {
    const D tail = relative_others(block, i, half_log_classes);
    const D share = set(1.0) / (set(1.0) + tail);
    const D threshold = args.per_class ? load(thresholds + i) + set(kMargin) : shared_threshold;
    const Mask8 passes = less(threshold, share);
    const unsigned unsure = ~(bits(passes) | bits(less(share, smallest)));
    open |= static_cast<uint64_t>(unsure & 0xffu) << i;
    store(confidence + i, share);
    store_or_minus_one(prediction + i, passes, block.prediction + i);
  }
  const size_t bytes = static_cast<size_t>(rows) * 8;
  memcpy(args.confidence + start, confidence, bytes);
  memcpy(args.prediction + start, prediction, bytes);
  for (open &= first_bits(rows); open != 0; open &= open - 1) {
    const int64_t row = start + __builtin_ctzll(open);
    decide_exactly(args, contiguous_row<T>(args.scores, row, scratch), row);
  }
}

// Writes the sets of a block.
template <typename T, typename Block>
CALIBENCH_INLINE void fill_sets(const ThresholdArgs& args, int64_t start, int rows, double half_log_classes,
                                const Block& block, void* scratch) {
  alignas(64) double confidence[kBlockRows], log_mass[kBlockRows];
  const uint64_t unsure = unreliable(block);
  for (int i = 0; i < rows; i += 8) {
    D share;
    store(log_mass + i, log1p(relative_others(block, i, half_log_classes), &share));
    store(confidence + i, share);
  }
  for (int i = 0; i < rows; ++i) {
    const int64_t row = start + i;
    const T* x = contiguous_row<T>(args.scores, row, scratch);
    const RowMass mass{block.top[i], confidence[i], log_mass[i], block.prediction[i]};
    const bool decided = !(unsure >> i & 1);
    const bool set_filled =
        decided && fill_set(args, x, row, mass, kFast<T> ? 2 * kFastMargin : kExactMargin, !kFast<T>);
    if (!set_filled) fill_set(args, x, row, exact_mass(x, args.scores.classes), kExactMargin, true);
  }
}

template <typename T, typename Block>
CALIBENCH_INLINE void test_rows(const ThresholdArgs& args, int64_t begin, int64_t end, int64_t* first_bad,
                                void* scratch) {
  Block block;
  const double half_log_classes = half_log(args.scores.classes);
  for (int64_t start = begin; start < end; start += kBlockRows) {
    const int rows = static_cast<int>(min_of<int64_t>(kBlockRows, end - start));
    if constexpr (kFast<T>) {
      fill_fast<false, T>(args.scores, start, rows, scratch, &block);
    } else {
      fill_exact<false, T>(args.scores, start, rows, scratch, &block);
    }
    *first_bad = find_bad_row(block, start);
    if (CALIBENCH_UNLIKELY(*first_bad != kNoBadRow)) return;
    pad(rows, &block);
    if (args.sets != nullptr) {
      fill_sets<T>(args, start, rows, half_log_classes, block, scratch);
    } else {
      decide_block<T>(args, start, rows, half_log_classes, block, scratch);
    }
  }
}

template <typename T>
static void threshold_chunk(const ThresholdArgs& args, int64_t begin, int64_t end, int64_t* first_bad,
                            void* scratch) {
  if constexpr (kFast<T>) {
    test_rows<T, FastBlock>(args, begin, end, first_bad, scratch);
  } else {
    test_rows<T, RowBlock>(args, begin, end, first_bad, scratch);
  }
}

template <typename T>
CALIBENCH_INLINE D load8_strided(const T* x, int64_t stride, int64_t n) {
  alignas(64) double lanes[8];
  for (int64_t l = 0; l < 8; ++l) lanes[l] = l < n ? to_double(x[l * stride]) : 0.0;
  return load(lanes);
}

template <typename T>
static void sigmoid_chunk(const ThresholdArgs& args, int64_t begin, int64_t end, int64_t* first_bad) {
  const int64_t K = args.scores.classes, stride = args.scores.class_stride;
  for (int64_t i = begin; i < end; ++i) {
    const T* x = static_cast<const T*>(args.scores.data) + i * args.scores.row_stride;
    uint8_t* row_set = args.sets + i * K;
    int64_t size = 0;
    D bad = set(0.0);
    for (int64_t j = 0; j < K; j += 8) {
      const int64_t n = min_of<int64_t>(8, K - j);
      const D a = stride == 1 ? (n == 8 ? load8(x + j) : load8(x + j, n, 0.0))
                              : load8_strided(x + j * stride, stride, n);
      const D bound = !args.per_class ? set(args.bounds[0])
                      : n == 8        ? load(args.bounds + j)
                                      : load8(args.bounds + j, n, 1.0);
      bad = fma(a, set(0.0), bad);
      unsigned inside = ~bits(less(a, bound)) & ((1u << n) - 1);
      const unsigned close =
          bits(less(abs(a - bound), fma(abs(bound), set(kExactMargin), set(kExactMargin))));
      const unsigned saturated = bits(less(set(kSaturatedSigmoid), abs(a)));
      for (unsigned rest = (close | saturated) & ((1u << n) - 1); rest != 0; rest &= rest - 1) {
        const int l = __builtin_ctz(rest);
        const double p = 1.0 / (1.0 + ::exp(-to_double(x[(j + l) * stride])));
        inside = (inside & ~(1u << l)) | static_cast<unsigned>(args.passes(p, j + l)) << l;
      }
      store_bits(inside, n, row_set + j);
      size += __builtin_popcount(inside);
    }
    if (CALIBENCH_UNLIKELY(bits(equal(bad, set(0.0))) != 0xffu)) {
      *first_bad = bad_row_code(i, RowStatus::kNonFinite);
      return;
    }
    args.sizes[i] = size;
  }
}

}  // namespace calibench::CALIBENCH_ISA
