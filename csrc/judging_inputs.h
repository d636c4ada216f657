// Checks the arguments of the ops of judging; shared by cpu/ and cuda/. `Values` answers what a check asks
// about numbers in memory: cpu/host_values.h reads them, cuda/device_values.h asks a kernel.
#pragma once

#include <climits>
#include <vector>

#include "core/class_rows.h"
#include "core/resample.h"
#include "inputs.h"

namespace calibench {

inline void check_first(int64_t first) {
  CALIBENCH_CHECK(first >= 0 && first <= kMostFirst, "first is ", first, ", not in [0, 2^62]");
}

// Returns P, the number of columns of the counts.
inline int64_t check_resamples(int64_t samples, int64_t first, int64_t resamples) {
  CALIBENCH_CHECK(samples >= 0 && samples <= INT_MAX, "samples is ", samples, ", not in [0, 2^31)");
  check_first(first);
  CALIBENCH_CHECK(resamples >= 0 && resamples <= INT_MAX, "resamples is ", resamples, ", not in [0, 2^31)");
  return (resamples + kLanes - 1) / kLanes * kLanes;
}

inline void check_count_bytes(const Tensor& counts) {
  CALIBENCH_CHECK(counts.scalar_type() == ScalarType::Byte && counts.dim() == 2 && counts.is_contiguous() &&
                      counts.size(1) % kLanes == 0,
                  "counts are not contiguous uint8 [n, P], P a multiple of ", kLanes);
}

// Counts, and the places of `items` items in them.
template <typename Values>
ResampledCounts check_counts(const Values& values, const Tensor& counts, const Tensor& places,
                             int64_t items) {
  check_count_bytes(counts);
  CALIBENCH_CHECK(places.scalar_type() == ScalarType::Int && places.dim() == 1 && places.is_contiguous(),
                  "places are not contiguous int32 [L]");
  const int32_t* place = static_cast<const int32_t*>(places.const_data_ptr());
  const int64_t samples = counts.size(0), length = places.numel();
  CALIBENCH_CHECK(length == items || (length == 0 && samples >= items), "places have the wrong length: [",
                  items, "] expected");
  CALIBENCH_CHECK(values.all_inside(place, length, samples), "places are not rows of the counts");
  return {static_cast<const uint8_t*>(counts.const_data_ptr()), counts.size(1),
          length == 0 ? nullptr : place};
}

// Ends int64 [S] that rise from 0 to at most the number of items.
template <typename Values>
const int64_t* check_ends(const Values& values, const Tensor& ends, int64_t items) {
  CALIBENCH_CHECK(ends.scalar_type() == ScalarType::Long && ends.dim() == 1 && ends.is_contiguous(),
                  "ends are not contiguous int64 [S]");
  const int64_t* end = static_cast<const int64_t*>(ends.const_data_ptr());
  CALIBENCH_CHECK(values.rise(end, ends.numel(), items), "ends do not rise from 0 to the number of items");
  return end;
}

inline NumberType number_type(const Tensor& column) {
  switch (column.scalar_type()) {
    case ScalarType::Double:
      return NumberType::kFloat64;
    case ScalarType::Float:
      return NumberType::kFloat32;
    case ScalarType::Int:
      return NumberType::kFixed;
    case ScalarType::Bool:
      return NumberType::kBool;
    default:
      fail("columns have type ", type_name(column), ", not float64, float32, int32 or bool");
  }
}

// Columns of as many numbers as there are items.
inline std::vector<Column> check_columns(const std::vector<Tensor>& columns, int64_t items) {
  std::vector<Column> checked;
  for (const Tensor& column : columns) {
    CALIBENCH_CHECK(column.dim() == 1 && column.is_contiguous() && column.size(0) == items,
                    "columns are not contiguous [L], L = ", items);
    checked.push_back({column.const_data_ptr(), number_type(column)});
  }
  return checked;
}

// The number of items: the length of the places, or of the columns, or of all samples.
inline int64_t items_of(const Tensor& counts, const Tensor& places, const std::vector<Tensor>& columns) {
  if (!columns.empty() && columns[0].dim() == 1) return columns[0].size(0);
  if (places.numel() > 0 || counts.dim() == 0) return places.numel();
  return counts.size(0);
}

inline void check_wrong(const Tensor& wrong) {
  CALIBENCH_CHECK(wrong.scalar_type() == ScalarType::Bool && wrong.dim() == 1 && wrong.is_contiguous(),
                  "wrong is not contiguous bool [L]");
}

inline void check_group_ends(const Tensor& ends, int64_t lanes) {
  CALIBENCH_CHECK(ends.scalar_type() == ScalarType::Double && ends.is_contiguous() && ends.dim() == 2 &&
                      ends.size(0) >= 1 && ends.size(1) == lanes,
                  "ends are not contiguous float64 [M, P]");
}

// All but `errors`.
template <typename Values>
ClassErrorArgs check_class_errors(const Values& values, const Tensor& counts, const Tensor& entries,
                                  const Tensor& gaps, const Tensor& cell_ends, const Tensor& totals) {
  CALIBENCH_CHECK(gaps.scalar_type() == ScalarType::Int && gaps.dim() == 1 && gaps.is_contiguous() &&
                      gaps.size(0) == entries.numel(),
                  "gaps are not contiguous int32 [E]");
  ClassErrorArgs args{};
  args.entries = check_counts(values, counts, entries, entries.numel());
  args.cell_ends = check_ends(values, cell_ends, entries.numel());
  CALIBENCH_CHECK(totals.scalar_type() == ScalarType::Double && totals.is_contiguous() && totals.dim() == 2 &&
                      totals.size(0) >= 1 && totals.size(1) == args.entries.lanes,
                  "totals are not contiguous float64 [K, P]");
  args.classes = totals.size(0);
  CALIBENCH_CHECK(cell_ends.numel() % args.classes == 0 && cell_ends.numel() > 0, "cell_ends are not [K, M]");
  args.bins = cell_ends.numel() / args.classes;
  args.gaps = static_cast<const int32_t*>(gaps.const_data_ptr());
  args.totals = static_cast<const double*>(totals.const_data_ptr());
  return args;
}

inline void check_gap_sizes(const Tensor& labels, const Tensor& offset, const Tensor& factor) {
  CALIBENCH_CHECK(labels.scalar_type() == ScalarType::Int && labels.dim() == 2 && labels.is_contiguous() &&
                      labels.size(1) % 8 == 0,
                  "labels are not contiguous int32 [C, P], P a multiple of 8");
  for (const Tensor* values : {&offset, &factor}) {
    CALIBENCH_CHECK(values->scalar_type() == ScalarType::Double && values->dim() == 1 &&
                        values->is_contiguous() && values->size(0) == labels.size(0),
                    "offset and factor are not contiguous float64 [C]");
  }
}

// `indices` int32 [L], L = items, or [0] for none; each in [0, limit).
template <typename Values>
const int32_t* check_indices(const Values& values, const Tensor& indices, const char* name, int64_t items,
                             int64_t limit) {
  CALIBENCH_CHECK(indices.scalar_type() == ScalarType::Int && indices.dim() == 1 && indices.is_contiguous(),
                  name, " are not contiguous int32 [", items, "]");
  const int64_t count = indices.numel();
  CALIBENCH_CHECK(count == items || count == 0, name, " have the wrong length: [", items, "] expected");
  const int32_t* index = static_cast<const int32_t*>(indices.const_data_ptr());
  CALIBENCH_CHECK(values.all_inside(index, count, limit), name, " are not all in [0, ", limit, ")");
  return count == 0 ? nullptr : index;
}

// The rows `rows` of the scores, or all of them if `rows` is null.
template <typename Values>
ClassRows check_rows(const Values& values, const Tensor& scores, bool from_probs, int64_t bins,
                     const Tensor* factors, const Tensor* rows) {
  ClassRows args{};
  args.scores = check_scores(scores);
  check_bins(bins);
  CALIBENCH_CHECK(args.scores.rows <= INT32_MAX && args.scores.classes <= INT32_MAX / bins,
                  "2^31 rows, or K M cells, or more");
  if (rows != nullptr) args.rows = check_indices(values, *rows, "rows", rows->numel(), args.scores.rows);
  args.count = args.rows == nullptr ? args.scores.rows : rows->numel();
  args.from_probs = from_probs;
  args.bins = bins;
  if (factors == nullptr) return args;
  CALIBENCH_CHECK(factors->scalar_type() == ScalarType::Double && factors->is_contiguous() &&
                      (factors->numel() == 0 || factors->numel() == args.scores.classes * bins),
                  "factors are not contiguous float64 [K M]");
  args.factors = factors->numel() == 0 ? nullptr : static_cast<const double*>(factors->const_data_ptr());
  return args;
}

// All but the outputs.
template <typename Values>
LabelDrawArgs check_label_draws(const Values& values, const ClassRows& rows, const Tensor& cells,
                                int64_t num_cells, int64_t first, int64_t draws, int64_t seed) {
  check_first(first);
  CALIBENCH_CHECK(draws >= 0 && draws <= INT32_MAX, "draws is ", draws, ", not in [0, 2^31)");
  CALIBENCH_CHECK(num_cells >= 1 && num_cells <= INT32_MAX, "the number of cells is ", num_cells,
                  ", not in [1, 2^31)");
  CALIBENCH_CHECK(cells.numel() == rows.count, "cells have the wrong length: [", rows.count, "] expected");
  const int32_t* cell = check_indices(values, cells, "cells", rows.count, num_cells);
  return {rows, cell, first, seed, (draws + 7) / 8 * 8, nullptr, nullptr};
}

// All but `sums`.
template <typename Values>
ClassGapArgs check_class_gaps(const Values& values, const Tensor& counts, const Tensor& places,
                              const Tensor& scores, const Tensor& labels, bool from_probs) {
  ClassGapArgs args{};
  args.rows = check_rows(values, scores, from_probs, 1, nullptr, nullptr);
  args.labels = check_labels(labels, scores);
  // Labels outside [0, K) would be written beyond the row.
  CALIBENCH_CHECK(values.labels_inside(args.labels, args.rows.count, args.rows.scores.classes),
                  "labels are not all in [0, ", args.rows.scores.classes, ")");
  check_count_bytes(counts);
  args.counts = static_cast<const uint8_t*>(counts.const_data_ptr());
  args.lanes = counts.size(1);
  args.places = check_indices(values, places, "places", args.rows.count, counts.size(0));
  CALIBENCH_CHECK(args.places != nullptr || counts.size(0) >= args.rows.count, "places are missing");
  return args;
}

}  // namespace calibench
