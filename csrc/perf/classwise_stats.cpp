// classwise_stats: adds one chunk to a table (entries, sums, carries, labels) and
// compares with a loop over rows, classes and edges.
#include "case.h"

namespace calibench::perf {
namespace {

enum class Edges { kEqual, kShared, kPerClass };

class ClasswiseCase : public Case {
 public:
  ClasswiseCase(const MatrixSpec& spec, int64_t bins, Edges edges, double threshold, Placement placement)
      : matrix_(spec, placement),
        bins_(bins),
        edges_kind_(edges),
        threshold_(threshold),
        edges_(edges == Edges::kEqual ? 0 : (bins - 1) * (edges == Edges::kPerClass ? spec.classes : 1), 8,
               placement),
        first_edges_(spec.classes, 8, placement),
        sums_(kClassTables * spec.classes * bins, 8, placement),
        scratch_(static_cast<int64_t>(scratch_bytes(spec.classes)), 1, {0, placement.exact}) {
    for (int64_t index = 0; index < static_cast<int64_t>(edges_.bytes() / 8); ++index) {
      // Squares are dense near 0, where most probabilities are, like equal-mass edges.
      const double share = static_cast<double>(index % (bins - 1) + 1) / static_cast<double>(bins);
      edges_.as<double>()[index] = share * share / (1.0 + static_cast<double>(index / (bins - 1) % 5));
    }
    for (int64_t k = 0; k < spec.classes; ++k)
      first_edges_.as<double>()[k] = bins > 1 ? edge(k, 0) : HUGE_VAL;
  }

  void clear() override { std::memset(sums_.data(), 0, sums_.bytes()); }

  void run(const Kernels& kernels) override {
    const ClasswiseArgs args{matrix_.view(),
                             matrix_.labels(),
                             bins_,
                             matrix_.spec().from_probs(),
                             threshold_,
                             edges_kind_ == Edges::kEqual ? nullptr : edges_.as<double>(),
                             edges_kind_ == Edges::kPerClass ? bins_ - 1 : 0,
                             first_edges_.as<double>()};
    first_bad_ = kNoBadRow;
    kernels.classwise_chunk(args, 0, matrix_.spec().rows, sums_.as<double>(), &first_bad_, scratch_.data());
  }

  std::string difference() const override {
    Comparison compare;
    const MatrixSpec& spec = matrix_.spec();
    if (compare_first_bad_row(matrix_, first_bad_, &compare)) return compare.text();
    const size_t cells = static_cast<size_t>(spec.classes * bins_);
    std::vector<double> count(cells), labels(cells);
    std::vector<Sum> total(cells);
    for (int64_t i = 0; i < spec.rows; ++i) {
      const std::vector<double> p = spec.from_probs() ? matrix_.row(i) : softmax(matrix_.row(i));
      for (int64_t k = 0; k < spec.classes; ++k) {
        const double value = p[static_cast<size_t>(k)];
        if (!(value > threshold_)) continue;
        int64_t bin = 0;
        for (int64_t e = 0; e < bins_ - 1; ++e) bin += edge(k, e) < value;
        const size_t cell = static_cast<size_t>(k * bins_ + bin);
        count[cell] += 1.0;
        total[cell].add(value);
        labels[cell] += matrix_.label(i) == k ? 1.0 : 0.0;
      }
    }
    const double* sums = sums_.as<double>();
    for (size_t cell = 0; cell < cells; ++cell) {
      const int64_t index = static_cast<int64_t>(cell);
      compare.exact("count", index, sums[cell], count[cell]);
      const double actual = sums[cells + cell] + sums[2 * cells + cell];
      compare.near("probability sum", index, actual, total[cell].value(), matrix_.tolerance());
      compare.exact("label count", index, sums[3 * cells + cell], labels[cell]);
    }
    return compare.text();
  }

  uint64_t fingerprint() const override {
    return digest(edges_.data(), edges_.bytes(), matrix_.fingerprint() + static_cast<uint64_t>(bins_));
  }
  uint64_t checksum() const override { return digest(sums_.data(), sums_.bytes()); }

 private:
  double edge(int64_t k, int64_t e) const {
    if (edges_kind_ == Edges::kEqual) return static_cast<double>(e + 1) / static_cast<double>(bins_);
    return edges_.as<double>()[(edges_kind_ == Edges::kPerClass ? k * (bins_ - 1) : 0) + e];
  }

  Matrix matrix_;
  int64_t bins_;
  Edges edges_kind_;
  double threshold_;
  Buffer edges_;
  Buffer first_edges_;
  Buffer sums_;
  Buffer scratch_;
  int64_t first_bad_ = kNoBadRow;
};

void add(Entries& entries, const MatrixSpec& spec, bool gated, Edges edges = Edges::kEqual,
         double threshold = -1.0, int64_t bins = 15) {
  const char* suffix = edges == Edges::kShared ? "_edges" : edges == Edges::kPerClass ? "_classedges" : "";
  const std::string name = "classwise_stats/" + spec.name() + suffix + (threshold >= 0.0 ? "_tace" : "") +
                           (bins != 15 ? "_bins" + std::to_string(bins) : "");
  entries.push_back({name, gated, [=](Placement placement, int64_t divisor) -> std::unique_ptr<Case> {
                       return std::make_unique<ClasswiseCase>(divided(spec, divisor), bins, edges, threshold,
                                                              placement);
                     }});
}

}  // namespace

void add_classwise_stats(Entries& entries) {
  using T = ScoreType;
  add(entries, {2048, 10}, true);
  add(entries, {256, 100}, true);
  add(entries, {32, 1000}, true);
  add(entries, {256, 100, T::kBFloat16}, true);
  add(entries, {2048, 10, T::kFloat64}, true);
  add(entries, {2048, 10, T::kFloat32, Rows::kProbs}, true);
  add(entries, {2048, 10}, true, Edges::kPerClass);
  add(entries, {256, 100}, true, Edges::kShared, 0.01);
  add(entries, {256, 100, T::kFloat32, Rows::kPlain, Layout::kColumns}, true);
  for (const MatrixSpec& spec : awkward_matrices(true, true)) {
    add(entries, spec, false);
    if (spec.classes <= 33) {
      add(entries, spec, false, Edges::kPerClass, spec.rows % 2 ? 0.01 : -1.0);
      add(entries, spec, false, Edges::kShared, 0.01);
    }
    if (spec.classes == 10) add(entries, spec, false, Edges::kEqual, -1.0, 1);
  }
}

}  // namespace calibench::perf
