// Weighted sums of class probabilities in each resample, as whole numbers: exact, in any order.
#pragma once

#include "class_rows.h"

namespace calibench::CALIBENCH_ISA {

constexpr int64_t kPairs = kClassRows / 2;
constexpr int kTogether = 2;  // classes whose sums are in registers

// A tile of up to kClassRows rows: pairs of neighbouring rows side by side, for multiply_pairs.
struct ClassTile {
  int32_t* parts;    // [K / kTogether, rows / 2, kTogether, 2] the high and low parts of the probabilities of
                     // two rows
  int16_t* weights;  // [P / 16, rows / 2, 32] the weights of two rows in each lane
};

CALIBENCH_INLINE int32_t pair_of(int32_t first, int32_t second) {
  return static_cast<int32_t>(static_cast<uint32_t>(first) | static_cast<uint32_t>(second) << 16);
}

// Fills the tile with items [begin, end); an odd last row has a neighbour of weight 0.
template <typename T>
CALIBENCH_INLINE void fill_tile(const ClassSumArgs& args, int64_t begin, int64_t end, double* p,
                                int32_t* fixed, const ClassTile& tile) {
  const int64_t K = args.rows.scores.classes, P = args.lanes;
  for (int64_t item = begin; item < end; item += 2) {
    const int64_t pair = (item - begin) / 2;
    for (int64_t second = 0; second < 2; ++second) {
      int32_t* whole = fixed + second * K;
      if (item + second >= end) {
        memset(whole, 0, static_cast<size_t>(K) * sizeof(int32_t));
        continue;
      }
      row_probabilities<T>(args.rows, item + second, p);
      for (int64_t k = 0; k < K; ++k) {
        whole[k] = static_cast<int32_t>(p[k] * static_cast<double>(1 << kClassBits) + 0.5);
      }
    }
    for (int64_t k = 0; k < K; ++k) {
      int32_t* out = tile.parts + ((k / kTogether * kPairs + pair) * kTogether + k % kTogether) * 2;
      out[0] = pair_of(fixed[k] >> 15, fixed[K + k] >> 15);
      out[1] = pair_of(fixed[k] & 0x7fff, fixed[K + k] & 0x7fff);
    }
    const uint8_t* one = args.of(item);
    const uint8_t* two = item + 1 < end ? args.of(item + 1) : nullptr;
    for (int64_t lane = 0; lane < P; lane += 16) {
      int16_t* out = tile.weights + (lane / 16 * kPairs + pair) * 32;
      for (int64_t l = 0; l < 16; ++l) {
        out[2 * l] = one[lane + l];
        out[2 * l + 1] = two == nullptr ? int16_t{0} : two[lane + l];
      }
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
  const int32_t* parts = tile.parts + k * kPairs * 2;
  const int16_t* weights = tile.weights + lane * kPairs * 2;
  for (int64_t i = 0; i < pairs; ++i, parts += 2 * kTogether, weights += 32) {
    const W left = load_words(weights), right = load_words(weights + 16);
    for (int c = 0; c < kTogether; ++c) {
      const W upper = words_of(set_sums(parts[2 * c])), lower = words_of(set_sums(parts[2 * c + 1]));
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

// Adds items [begin, end), at most kClassRows, to sums [K, P]. `scratch` has class_sum_scratch(K, P) bytes.
template <typename T>
static void class_sums_tile(const ClassSumArgs& args, int64_t begin, int64_t end, int64_t* sums,
                            char* scratch) {
  const int64_t K = args.rows.scores.classes, P = args.lanes, pairs = (end - begin + 1) / 2;
  double* p = reinterpret_cast<double*>(scratch);
  int32_t* fixed = reinterpret_cast<int32_t*>(scratch + align64(row_scratch(K) * 8));
  ClassTile tile;
  tile.parts = fixed + align64(2 * K);
  tile.weights =
      reinterpret_cast<int16_t*>(tile.parts + kPairs * 2 * ((K + kTogether - 1) / kTogether * kTogether));
  fill_tile<T>(args, begin, end, p, fixed, tile);
  for (int64_t lane = 0; lane < P; lane += 16) {
    for (int64_t k = 0; k < K; k += kTogether) {
      multiply_tile(tile, pairs, P, k, min_of<int64_t>(kTogether, K - k), lane, sums);
    }
  }
}

}  // namespace calibench::CALIBENCH_ISA
