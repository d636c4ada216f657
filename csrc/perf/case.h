// A case: the inputs and outputs of one entry point of the core, the
// call, and the comparison with its definition.
#pragma once

#include <algorithm>
#include <functional>

#include "../core/instruction_set.h"
#include "../core/kernels.h"
#include "matrix.h"

namespace calibench::perf {

class Case {
 public:
  virtual ~Case() = default;
  // Resets the outputs before a run. It is neither counted nor timed.
  virtual void clear() {}
  // The call that is counted and timed.
  virtual void run(const Kernels& kernels) = 0;
  // The first difference between the outputs of the last run and the
  // float64 definition; empty if there is none.
  virtual std::string difference() const = 0;
  virtual uint64_t fingerprint() const = 0;
  virtual uint64_t checksum() const = 0;
};

// A case with its name. It is created just before it runs, so that memory stays small and heap addresses do
// not depend on the selected cases.
struct Entry {
  std::string name;
  bool gated;  // counted and timed; other cases are for `--check` only
  // The number of rows is divided by `divisor`, because one trap per instruction is slow.
  std::function<std::unique_ptr<Case>(Placement, int64_t divisor)> make;
};

using Entries = std::vector<Entry>;

// Each is defined in the .cpp file of its op.
void add_calibration_stats(Entries& entries);
void add_classwise_stats(Entries& entries);
void add_thresholds(Entries& entries);
void add_nll_curve(Entries& entries);
void add_bootstrap_bins(Entries& entries);
void add_resample(Entries& entries);
void add_resample_groups(Entries& entries);
void add_class_rows(Entries& entries);
void add_label_draws(Entries& entries);

inline MatrixSpec divided(MatrixSpec spec, int64_t divisor) {
  if (divisor > 1) spec.rows = std::max<int64_t>(1, spec.rows / divisor);
  return spec;
}

// Small matrices of every type, layout, kind of row and awkward number of
// classes, for `--check` and the sanitizers.
inline std::vector<MatrixSpec> awkward_matrices(bool with_probs, bool with_label_faults) {
  std::vector<MatrixSpec> specs;
  const Rows kinds[] = {Rows::kPlain, Rows::kSaturated, Rows::kNearEdge, Rows::kTied, Rows::kProbs};
  const Layout layouts[] = {Layout::kRows, Layout::kPadded, Layout::kColumns, Layout::kEverySecond};
  for (const ScoreType type :
       {ScoreType::kFloat64, ScoreType::kFloat32, ScoreType::kBFloat16, ScoreType::kFloat16}) {
    for (const int64_t classes : {1, 2, 3, 10, 17, 31, 33, 100, 257, 1000}) {
      for (const Layout layout : layouts) {
        const int64_t rows = classes > 200 ? 9 : 75;
        for (const Rows kind : kinds) {
          if (kind == Rows::kProbs && !with_probs) continue;
          specs.push_back({rows, classes, type, kind, layout});
        }
        specs.push_back({rows, classes, type, Rows::kPlain, layout, Fault::kScore});
        if (with_label_faults) specs.push_back({rows, classes, type, Rows::kPlain, layout, Fault::kLabel});
      }
    }
    for (const int64_t rows : {0, 1, 7, 8, 9, 63, 64, 65}) specs.push_back({rows, 10, type});
    for (const Layout layout : {Layout::kRows, Layout::kColumns}) {
      specs.push_back({1, 50021, type, Rows::kPlain, layout});  // more than fit in a tile
    }
  }
  return specs;
}

// Records the first difference between actual and expected values.
class Comparison {
 public:
  void exact(const char* figure, int64_t index, double actual, double expected) {
    if (!(actual == expected)) record(figure, index, actual, expected);
  }
  // `tolerance` is relative to |expected|, or to `scale` if that is larger (for sums of
  // terms of both signs). `floor` is absolute.
  void near(const char* figure, int64_t index, double actual, double expected, double tolerance,
            double scale = 0.0, double floor = 0.0) {
    const double bound = std::max(tolerance * std::max(std::fabs(expected), scale), floor);
    if (actual == expected || std::fabs(actual - expected) <= bound) return;
    record(figure, index, actual, expected);
  }
  const std::string& text() const { return text_; }

 private:
  void record(const char* figure, int64_t index, double actual, double expected) {
    if (!text_.empty()) return;
    char line[160];
    std::snprintf(line, sizeof(line), "%s[%lld] is %.17g, not %.17g", figure, static_cast<long long>(index),
                  actual, expected);
    text_ = line;
  }
  std::string text_;
};

// The bin, by counting the edges below p; bins are (lo, hi]. Slower than core/bins.h, and independent of it.
inline int64_t bin_by_counting(double p, int64_t bins) {
  int64_t bin = 0;
  for (int64_t k = 1; k < bins; ++k) bin += static_cast<double>(k) / static_cast<double>(bins) < p;
  return bin;
}

// The probabilities of one row of logits, by the definition p_k = exp(x_k - max) / (1 + tail).
inline std::vector<double> softmax(const std::vector<double>& x) {
  const size_t top = static_cast<size_t>(std::max_element(x.begin(), x.end()) - x.begin());
  std::vector<double> p(x.size());
  Sum tail;
  for (size_t j = 0; j < x.size(); ++j) {
    p[j] = j == top ? 1.0 : std::exp(x[j] - x[top]);
    if (j != top) tail.add(p[j]);
  }
  for (double& probability : p) probability /= 1.0 + tail.value();
  return p;
}

// The code of the lowest bad row, or kNoBadRow.
inline int64_t first_bad_row(const Matrix& matrix, bool labels_matter) {
  for (int64_t i = 0; i < matrix.spec().rows; ++i) {
    for (const double x : matrix.row(i)) {
      if (!std::isfinite(x)) return bad_row_code(i, RowStatus::kNonFinite);
    }
    const int64_t label = matrix.label(i);
    if (labels_matter && (label < 0 || label >= matrix.spec().classes))
      return bad_row_code(i, RowStatus::kLabel);
  }
  return kNoBadRow;
}

// Compares the row that a kernel reported with the first bad one; true if there is one, and no figures to
// compare.
inline bool compare_first_bad_row(const Matrix& matrix, int64_t reported, Comparison* compare) {
  const int64_t bad = first_bad_row(matrix, true);
  compare->exact("first bad row", 0, static_cast<double>(reported), static_cast<double>(bad));
  return bad != kNoBadRow;
}

}  // namespace calibench::perf
