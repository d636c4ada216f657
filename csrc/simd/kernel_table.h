// The kernel table of one instruction set. Each entry selects the kernel
// for the type of the scores, once per chunk.
#pragma once

#include "../core/kernels.h"

// clang-format off: in this order
#include "math.h"
#include "row_block.h"
#include "exact_columns.h"
#include "fast_columns.h"
#include "fast_row.h"
#include "fill_block.h"
#include "row_metrics.h"
#include "bootstrap_bins.h"
#include "calibration_stats.h"
#include "class_gaps.h"
#include "class_table.h"
#include "classwise_stats.h"
#include "label_draws.h"
#include "nll_curve.h"
#include "resample.h"
#include "thresholds.h"
// clang-format on

// clang-format off
#define CALIBENCH_BY_TYPE(TYPE, FUNCTION, ...)                          \
  switch (TYPE) {                                                       \
    case ScoreType::kFloat64: return FUNCTION<double>(__VA_ARGS__);     \
    case ScoreType::kFloat32: return FUNCTION<float>(__VA_ARGS__);      \
    case ScoreType::kBFloat16: return FUNCTION<BFloat16>(__VA_ARGS__);  \
    case ScoreType::kFloat16: return FUNCTION<Float16>(__VA_ARGS__);    \
  }
// clang-format on

namespace calibench::CALIBENCH_ISA {

static void calibration(const CalibrationArgs& args, int64_t begin, int64_t end, BinSums* bins,
                        ChunkTotals* totals, double* samples, void* scratch) {
  CALIBENCH_BY_TYPE(args.score_type, calibration_chunk, args, begin, end, bins, totals, samples, scratch)
}
static void classwise(const ClasswiseArgs& args, int64_t begin, int64_t end, double* sums, int64_t* first_bad,
                      void* scratch) {
  CALIBENCH_BY_TYPE(args.scores.type, classwise_chunk, args, begin, end, sums, first_bad, scratch)
}
static void threshold(const ThresholdArgs& args, int64_t begin, int64_t end, int64_t* first_bad,
                      void* scratch) {
  CALIBENCH_BY_TYPE(args.scores.type, threshold_chunk, args, begin, end, first_bad, scratch)
}
static void sigmoid(const ThresholdArgs& args, int64_t begin, int64_t end, int64_t* first_bad) {
  CALIBENCH_BY_TYPE(args.scores.type, sigmoid_chunk, args, begin, end, first_bad)
}
static void curve(const CurveArgs& args, int64_t begin, int64_t end, CurveSums* sums, int64_t* first_bad,
                  void* scratch) {
  CALIBENCH_BY_TYPE(args.scores.type, nll_curve_chunk, args, begin, end, sums, first_bad, scratch)
}

static int64_t class_table(const ClassRows& rows, int64_t begin, int64_t end, double* moments,
                           double* expected_right, ClassEntry* entries, int64_t room, double* scratch) {
  CALIBENCH_BY_TYPE(rows.scores.type, class_table_chunk, rows, begin, end, moments, expected_right, entries,
                    room, scratch)
  return 0;
}
static void class_gaps(const ClassGapArgs& args, int64_t begin, int64_t end, int64_t* sums, char* scratch) {
  CALIBENCH_BY_TYPE(args.rows.scores.type, class_gaps_tile, args, begin, end, sums, scratch)
}
static void label_draws(const LabelDrawArgs& args, int64_t begin, int64_t end, double* scratch) {
  CALIBENCH_BY_TYPE(args.rows.scores.type, label_draws_chunk, args, begin, end, scratch)
}

static constexpr Kernels kTable = {
    CALIBENCH_ISA_NAME, calibration, classwise,   threshold,     sigmoid,        curve,
    resample,           count_draws, interleave,  resample_sums, resample_risks, group_sums,
    class_errors,       gap_sizes,   class_table, class_gaps,    label_draws};

}  // namespace calibench::CALIBENCH_ISA
