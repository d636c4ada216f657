// Checks of the ops that read rows of scores as class probabilities.
#pragma once

#include "parallel.h"

namespace calibench {

// `values` int32 [L], L = items, or [0] for none; each in [0, limit).
inline const int32_t* check_indices(const Tensor& values, const char* name, int64_t items, int64_t limit) {
  CALIBENCH_CHECK(values.scalar_type() == ScalarType::Int && values.dim() == 1 && values.is_contiguous(),
                  name, " are not contiguous int32 [", items, "]");
  const int64_t count = values.numel();
  CALIBENCH_CHECK(count == items || count == 0, name, " have the wrong length: [", items, "] expected");
  const int32_t* index = static_cast<const int32_t*>(values.const_data_ptr());
  bool inside = true;
  for (int64_t i = 0; i < count; ++i) inside &= index[i] >= 0 && index[i] < limit;
  CALIBENCH_CHECK(inside, name, " are not all in [0, ", limit, ")");
  return count == 0 ? nullptr : index;
}

// The rows `rows` of the scores, or all of them if `rows` is empty.
inline ClassRows check_rows(const Tensor& scores, bool from_probs, int64_t bins, const Tensor& factors,
                            const Tensor& rows) {
  ClassRows args{};
  args.scores = check_scores(scores);
  check_bins(bins);
  CALIBENCH_CHECK(args.scores.rows <= INT32_MAX && args.scores.classes <= INT32_MAX / bins,
                  "2^31 rows, or K M cells, or more");
  args.rows = check_indices(rows, "rows", rows.numel(), args.scores.rows);
  args.count = args.rows == nullptr ? args.scores.rows : rows.numel();
  args.from_probs = from_probs;
  args.bins = bins;
  CALIBENCH_CHECK(factors.scalar_type() == ScalarType::Double && factors.is_contiguous() &&
                      (factors.numel() == 0 || factors.numel() == args.scores.classes * bins),
                  "factors are not contiguous float64 [K M]");
  args.factors = factors.numel() == 0 ? nullptr : static_cast<const double*>(factors.const_data_ptr());
  return args;
}

}  // namespace calibench
