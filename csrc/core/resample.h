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
  const uint8_t* of(int64_t item) const { return counts + (places == nullptr ? item : places[item]) * lanes; }
};

struct ResampleSumsArgs {
  ResampledCounts weights;
  const double* columns;  // [C, L]
  int64_t num_columns;
  int64_t column_stride;
  int64_t item_stride;
  const int64_t* ends;  // [S] the end of each range of items
  double* sums;         // [S, C + 1, P] the count, then the weighted sum of each column
};

struct GroupSumArgs {
  ResampledCounts weights;
  const double* values;  // [L] in the order of the items
  int64_t items;         // L
  const double* ends;    // [M, P] how many draws lie in the groups up to each
  int64_t groups;        // M
  double* sums;          // [M, P]
};

struct ClassErrorArgs {
  ResampledCounts entries;   // places [E] of the entries above bin 0, cell by cell
  const double* gaps;        // [E] p - y of each
  const int64_t* cell_ends;  // [K, M] the end of each cell; bin 0 is empty
  int64_t classes;
  int64_t bins;
  ResampledCounts labelled;   // places [N] of the samples, label by label
  const int64_t* label_ends;  // [K]
  const double* p_sums;       // [K, P] the weighted sum of the probabilities of each class
  double* errors;             // [P]
};

struct ResampleRisksArgs {
  ResampledCounts weights;
  const uint8_t* wrong;    // [L] 1 for an error, else 0
  const int64_t* ends;     // [S] the end of each tie
  int64_t ties;            // S
  const double* harmonic;  // [H] H(0), H(1), ...
  int64_t last_harmonic;   // H - 1
  double* risks;           // [4, P] samples, errors, sum of the selective risk, sum of the joint risk
};

}  // namespace calibench
