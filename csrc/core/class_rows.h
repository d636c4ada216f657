// Rows of scores as class probabilities, for the ops of judging: arguments of the table of class-wise bins,
// of labels drawn from the probabilities, and of their sums in resamples.
#pragma once

#include "bins.h"
#include "philox.h"
#include "scores.h"

namespace calibench {

struct ClassRows {
  Scores scores;
  const int32_t* rows;  // [count] the row that item q takes; null if item q takes row q
  int64_t count;
  bool from_probs;
  int64_t bins;  // M equal-width bins of each class
  const double*
      factors;  // [K, M] each probability times that of its bin, rows then scaled to 1; null for none
  CALIBENCH_HD int64_t row(int64_t item) const { return rows == nullptr ? item : rows[item]; }
};

// An entry above bin 0.
struct ClassEntry {
  double p;
  int32_t row;
  int32_t cell;  // k * M + bin
};

// Doubles of scratch that a row takes: its probabilities, and their cells and shares as whole numbers.
constexpr int64_t row_scratch(int64_t classes) { return 3 * classes + 64; }

// Draw `first + d` of a label takes the words of the counter (item / 2, first + d). The first two words serve
// the even item. One of them says whether the label is the prediction, the other which of the other classes.
struct LabelDrawArgs {
  ClassRows rows;
  const int32_t* cells;  // [count] a cell for each item, in which predictions that are right are counted
  int64_t first;
  int64_t seed;
  int64_t lanes;    // P, a multiple of 8
  int32_t* right;   // [C, P]
  int32_t* labels;  // [K M, P]
};

// Gaps p - y as whole numbers of 2^-29: in [-1, 1 + 1e-3], they have a signed high part of 16 bits, and a low
// part of 15.
constexpr int kClassBits = 29;
// Rows whose sums of products of such a part and a byte fit 32 bits.
constexpr int64_t kClassRows = 128;

struct ClassGapArgs {
  ClassRows rows;
  LabelView labels;       // [N], each in [0, K)
  const uint8_t* counts;  // [n, lanes]
  const int32_t* places;  // [count] the row of counts that an item has; null if item q has row q
  int64_t lanes;          // P, a multiple of 16
  int64_t* sums;          // [K, P] in units of 2^-29
  CALIBENCH_HD const uint8_t* of(int64_t item) const {
    return counts + (places == nullptr ? item : places[item]) * lanes;
  }
};

// Scratch of the sums: doubles of a row, or of eight rows of few classes, and their whole numbers.
inline int64_t class_gap_doubles(int64_t classes) { return row_scratch(classes) + 8 * 32; }
inline int64_t class_gap_fixed(int64_t classes) { return 2 * (classes + 8) + 16 * 32; }

// Bytes of scratch that a thread needs for the sums: these, and a tile.
inline int64_t class_gap_scratch(int64_t classes, int64_t lanes) {
  return 8 * class_gap_doubles(classes) + 4 * class_gap_fixed(classes) + 4 * kClassRows * classes +
         2 * kClassRows * (lanes + 64) + 1024;
}

}  // namespace calibench
