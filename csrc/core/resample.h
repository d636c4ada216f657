// Arguments of the resampling ops. The counts of P resamples of n samples are bytes [n, P]: those of one
// sample lie side by side, so that every lane of a vector is a resample and adds up its samples in their
// order, whatever the instruction set and the number of threads.
#pragma once

#include "philox.h"

namespace calibench {

// P is a multiple of kLanes; lanes beyond the resamples hold zeros.
constexpr int64_t kLanes = 16;
// Resamples that one thread draws before it writes them side by side.
constexpr int64_t kDrawn = 8;
// Samples whose weights are converted at a time. Sums of tiles are added up, which keeps the rounding small.
constexpr int64_t kTile = 256;

struct ResampledCounts {
  const uint8_t* counts;  // [n, lanes]
  int64_t lanes;          // P
  const int32_t* places;  // [L] the row of counts that item l has; null if item l has row l
  CALIBENCH_HD const uint8_t* of(int64_t item) const {
    return counts + (places == nullptr ? item : places[item]) * lanes;
  }
};

enum class NumberType { kFloat64, kFloat32, kFixed, kBool };

// Numbers of kFixed are int32 in units of 2^-30: all fractions in (-2, 2) to that unit.
constexpr int kFixedBits = 30;

struct Column {
  const void* numbers;  // [L]
  NumberType type;
};

struct ResampleSumsArgs {
  ResampledCounts weights;
  const Column* columns;  // [C]
  int64_t num_columns;
  const int64_t* ends;  // [S] the end of each range of items
  double* sums;         // [S, C + 1, P] the count, then the weighted sum of each column
};

struct GroupSumArgs {
  ResampledCounts weights;
  const Column* columns;  // [C] in the order of the items, whose values are the sums of these
  int64_t num_columns;    // C
  int64_t items;          // L
  const double* ends;     // [M, P] how many draws lie in the groups up to each
  int64_t groups;         // M
  double* sums;           // [M, P]
};

struct ClassErrorArgs {
  ResampledCounts entries;   // places [E] of the entries above bin 0, cell by cell
  const int32_t* gaps;       // [E] p - y of each, kFixed
  const int64_t* cell_ends;  // [K, M] the end of each cell; bin 0 is empty
  int64_t classes;
  int64_t bins;
  const double* totals;  // [K, P] the weighted sum of the gaps of each class
  double* errors;        // [P]
};

// The harmonic numbers H(0) .. H(kHarmonics).
constexpr int kHarmonics = 4096;
struct HarmonicTable {
  double sums[kHarmonics + 1] = {};
  constexpr HarmonicTable() {
    for (int n = 1; n <= kHarmonics; ++n) sums[n] = sums[n - 1] + 1.0 / n;
  }
};
inline constexpr HarmonicTable kHarmonicTable;

struct ResampleRisksArgs {
  ResampledCounts weights;
  const uint8_t* wrong;  // [L] 1 for an error, else 0
  const int64_t* ends;   // [S] the end of each tie
  int64_t ties;          // S
  double* risks;         // [4, P] samples, errors, sum of the selective risk, sum of the joint risk
};

}  // namespace calibench
