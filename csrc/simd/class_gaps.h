// Weighted sums of the gaps of each class in each resample, as whole numbers: exact, in any order.
#pragma once

#include "class_rows.h"

namespace calibench::CALIBENCH_ISA {

constexpr int64_t kPairs = kClassRows / 2;
constexpr int kTogether = 2;  // classes whose sums are in registers

// A tile of up to kClassRows rows, as pairs of rows for multiply_pairs.
struct ClassTile {
  int32_t* parts;    // [K, 2, kPairs] the high, and the low, parts of the gaps of two rows
  int16_t* weights;  // [P / 16, kPairs, 32] the weights of two rows in each lane
};

// The words of two rows, of which the first is the low half.
CALIBENCH_INLINE int32_t pair_of(int32_t first, int32_t second) {
  return static_cast<int32_t>((static_cast<uint32_t>(first) & 0xffff) | static_cast<uint32_t>(second) << 16);
}

CALIBENCH_INLINE D whole_of(D p) { return p * set(static_cast<double>(1 << kClassBits)) + set(0.5); }

// Subtracts 1 in units of 2^-29. A score that is NaN has the least integer, which must not overflow.
CALIBENCH_INLINE void take_one(int32_t* whole) {
  *whole = static_cast<int32_t>(static_cast<uint32_t>(*whole) - (1u << kClassBits));
}

// Writes the weights of a pair of items; null has the weight 0.
CALIBENCH_INLINE void fill_weights(const uint8_t* one, const uint8_t* two, int64_t pair, int64_t lanes,
                                   const ClassTile& tile) {
  for (int64_t lane = 0; lane < lanes; lane += 16) {
    int16_t* out = tile.weights + (lane / 16 * kPairs + pair) * 32;
    for (int64_t l = 0; l < 16; ++l) {
      out[2 * l] = one == nullptr ? int16_t{0} : one[lane + l];
      out[2 * l + 1] = two == nullptr ? int16_t{0} : two[lane + l];
    }
  }
}

// Writes the high and the low parts of one class in `count` pairs.
CALIBENCH_INLINE void fill_parts(const int32_t* one, const int32_t* two, int64_t count, int32_t* high) {
  int32_t* low = high + kPairs;
  for (int64_t i = 0; i < count; ++i) {
    high[i] = pair_of(one[i] >> 15, two[i] >> 15);
    low[i] = pair_of(one[i] & 0x7fff, two[i] & 0x7fff);
  }
}

// Fills the tile with items [begin, end) one row at a time: neighbours are a pair.
template <typename T>
CALIBENCH_INLINE void fill_rows(const ClassGapArgs& args, int64_t begin, int64_t end, double* p,
                                int32_t* fixed, const ClassTile& tile) {
  const int64_t K = args.rows.scores.classes;
  for (int64_t item = begin; item < end; item += 2) {
    const int64_t pair = (item - begin) / 2;
    const bool both = item + 1 < end;
    for (int64_t second = 0; second <= both; ++second) {
      row_probabilities<T>(args.rows, item + second, p);
      int32_t* whole = fixed + second * (K + 8);
      for (int64_t k = 0; k < K; k += 8) store_integers(whole + k, whole_of(load(p + k)));
    }
    for (int64_t second = 0; second <= both; ++second) {
      take_one(fixed + second * (K + 8) + args.labels.at(args.rows.row(item + second)));
    }
    const int32_t* two = both ? fixed + K + 8 : fixed;  // a weight of 0 makes it count nothing
    for (int64_t k = 0; k < K; ++k) {
      fill_parts(fixed + k, two + k, 1, tile.parts + k * 2 * kPairs + pair);
    }
    fill_weights(args.of(item), both ? args.of(item + 1) : nullptr, pair, args.lanes, tile);
  }
}

// Writes the probabilities of eight items of few classes as whole numbers to whole [K, 16]. Items beyond the
// last one repeat it.
template <typename T>
CALIBENCH_INLINE void whole_columns(const ClassRows& rows, int64_t item, int64_t last, double* staged,
                                    int32_t* whole) {
  const Scores& scores = rows.scores;
  const int64_t K = scores.classes;
  const T* row[8];
  for (int64_t l = 0; l < 8; ++l) {
    row[l] = static_cast<const T*>(scores.data) + rows.row(min_of(item + l, last)) * scores.row_stride;
  }
  stage_exact(row, K, scores.class_stride, staged);
  D inverse = set(1.0);
  if (!rows.from_probs) {
    D top = load(staged), sum = set(0.0);
    for (int64_t k = 1; k < K; ++k) top = max(load(staged + 8 * k), top);
    for (int64_t k = 0; k < K; ++k) {
      const D term = exp_unfused(load(staged + 8 * k) - top);
      store(staged + 8 * k, term);
      sum = sum + term;
    }
    inverse = inverse / sum;
  }
  for (int64_t k = 0; k < K; ++k) store_integers(whole + 16 * k, whole_of(load(staged + 8 * k) * inverse));
}

// The same for few classes, sixteen items at a time: item l and item l + 8 are a pair.
template <typename T>
CALIBENCH_INLINE void fill_columns(const ClassGapArgs& args, int64_t begin, int64_t end, double* staged,
                                   int32_t* whole, const ClassTile& tile) {
  const auto counts_of = [&](int64_t item) { return item < end ? args.of(item) : nullptr; };
  for (int64_t item = begin; item < end; item += 16) {
    const int64_t pair = (item - begin) / 2;
    whole_columns<T>(args.rows, item, end - 1, staged, whole);
    whole_columns<T>(args.rows, item + 8, end - 1, staged, whole + 8);
    for (int64_t l = 0; l < min_of<int64_t>(16, end - item); ++l) {
      take_one(whole + 16 * args.labels.at(args.rows.row(item + l)) + l);
    }
    for (int64_t k = 0; k < args.rows.scores.classes; ++k) {
      fill_parts(whole + 16 * k, whole + 16 * k + 8, 8, tile.parts + k * 2 * kPairs + pair);
    }
    for (int64_t l = 0; l < 8; ++l) {
      fill_weights(counts_of(item + l), counts_of(item + l + 8), pair + l, args.lanes, tile);
    }
  }
}

// sums += high * 2^15 + low, for 8 lanes.
CALIBENCH_INLINE void add_parts(V high, V low, int64_t* sums) {
  int32_t highs[8], lows[8];
  store(highs, high);
  store(lows, low);
  for (int l = 0; l < 8; ++l) {
    sums[l] += static_cast<int64_t>(highs[l]) * (1 << 15) + static_cast<int64_t>(lows[l]);
  }
}

// Multiplies the tile into sums [K, P] for 16 lanes and kTogether classes from k on, of which the first
// `classes` exist.
CALIBENCH_INLINE void multiply_tile(const ClassTile& tile, int64_t pairs, int64_t P, int64_t k,
                                    int64_t classes, int64_t lane, int64_t* sums) {
  V high[kTogether][2], low[kTogether][2];
  for (int c = 0; c < kTogether; ++c) high[c][0] = high[c][1] = low[c][0] = low[c][1] = set_sums(0);
  const int16_t* weights = tile.weights + lane * kPairs * 2;
  const int32_t* parts[kTogether];  // a class beyond the last one repeats it, and is not added
  for (int64_t c = 0; c < kTogether; ++c) parts[c] = tile.parts + (k + min_of(c, classes - 1)) * 2 * kPairs;
  for (int64_t i = 0; i < pairs; ++i, weights += 32) {
    const W left = load_words(weights), right = load_words(weights + 16);
    for (int c = 0; c < kTogether; ++c) {
      const W upper = words_of(set_sums(parts[c][i])), lower = words_of(set_sums(parts[c][kPairs + i]));
      high[c][0] = high[c][0] + multiply_pairs(upper, left);
      high[c][1] = high[c][1] + multiply_pairs(upper, right);
      low[c][0] = low[c][0] + multiply_pairs(lower, left);
      low[c][1] = low[c][1] + multiply_pairs(lower, right);
    }
  }
  for (int c = 0; c < classes; ++c) {
    int64_t* out = sums + (k + c) * P + lane;
    add_parts(high[c][0], low[c][0], out);
    add_parts(high[c][1], low[c][1], out + 8);
  }
}

CALIBENCH_INLINE int64_t align64(int64_t bytes) { return (bytes + 63) / 64 * 64; }

// Adds items [begin, end), at most kClassRows, to sums [K, P]. `scratch` has class_gap_scratch(K, P) bytes.
template <typename T>
static void class_gaps_tile(const ClassGapArgs& args, int64_t begin, int64_t end, int64_t* sums,
                            char* scratch) {
  const int64_t K = args.rows.scores.classes, P = args.lanes;
  const bool narrow = K <= kExactNarrow;
  const int64_t pairs = narrow ? (end - begin + 15) / 16 * 8 : (end - begin + 1) / 2;
  double* p = reinterpret_cast<double*>(scratch);
  int32_t* fixed = reinterpret_cast<int32_t*>(scratch + align64(8 * class_gap_doubles(K)));
  ClassTile tile;
  tile.parts = fixed + align64(class_gap_fixed(K));
  tile.weights = reinterpret_cast<int16_t*>(tile.parts + K * 2 * kPairs);
  if (narrow) {
    fill_columns<T>(args, begin, end, p, fixed, tile);
  } else {
    fill_rows<T>(args, begin, end, p, fixed, tile);
  }
  for (int64_t lane = 0; lane < P; lane += 16) {
    for (int64_t k = 0; k < K; k += kTogether) {
      multiply_tile(tile, pairs, P, k, min_of<int64_t>(kTogether, K - k), lane, sums);
    }
  }
}

}  // namespace calibench::CALIBENCH_ISA
