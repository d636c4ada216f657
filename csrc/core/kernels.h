// The torch-free entry points of the core: one table per instruction set. kernels() returns the table in use.
#pragma once

#include <cstddef>

#include "bootstrap_bins.h"
#include "calibration_stats.h"
#include "class_rows.h"
#include "classwise_stats.h"
#include "nll_curve.h"
#include "resample.h"
#include "thresholds.h"

namespace calibench {

// Every function processes rows [begin, end), or one resample, on the calling thread. `scratch` has
// scratch_bytes(classes) bytes.
struct Kernels {
  const char* name;
  void (*calibration_chunk)(const CalibrationArgs&, int64_t begin, int64_t end, BinSums* bins,
                            ChunkTotals* totals, double* samples, void* scratch);
  void (*classwise_chunk)(const ClasswiseArgs&, int64_t begin, int64_t end, double* sums, int64_t* first_bad,
                          void* scratch);
  void (*threshold_chunk)(const ThresholdArgs&, int64_t begin, int64_t end, int64_t* first_bad,
                          void* scratch);
  void (*sigmoid_chunk)(const ThresholdArgs&, int64_t begin, int64_t end, int64_t* first_bad);
  void (*nll_curve_chunk)(const CurveArgs&, int64_t begin, int64_t end, CurveSums* sums, int64_t* first_bad,
                          void* scratch);
  void (*resample)(const BootstrapArgs&, int64_t b, uint8_t* counts, double* sums);
  void (*count_draws)(int64_t samples, int64_t seed, int64_t b, uint8_t* counts);
  void (*interleave)(const uint8_t* rows, int64_t samples, uint8_t* out, int64_t lanes);
  void (*resample_sums)(const ResampleSumsArgs&, int64_t from, int64_t to, int64_t lane, double* scratch);
  void (*resample_risks)(const ResampleRisksArgs&, int64_t lane);
  void (*group_sums)(const GroupSumArgs&, int64_t lane);
  void (*class_errors)(const ClassErrorArgs&, int64_t lane);
  void (*gap_sizes)(const int32_t* labels, int64_t cells, int64_t lanes, const double* offset,
                    const double* factor, int64_t lane, double* sizes);
  int64_t (*class_table)(const ClassRows&, int64_t begin, int64_t end, double* moments,
                         double* expected_right, ClassEntry* entries, int64_t room, double* scratch);
  void (*class_gaps)(const ClassGapArgs&, int64_t begin, int64_t end, int64_t* sums, char* scratch);
  void (*label_draws)(const LabelDrawArgs&, int64_t begin, int64_t end, double* scratch);
};

// Bytes of scratch for one thread: room for a tile of rows, and for four rows in float64.
inline size_t scratch_bytes(int64_t classes) {
  return static_cast<size_t>(classes) * 32 + (size_t{1} << 18) + 4096;
}

// The kernel table of instruction_set().
const Kernels& kernels();

}  // namespace calibench
