// softmax_threshold, softmax_threshold_sets and sigmoid_threshold: compares with a test of every probability.
#include "case.h"

namespace calibench::perf {
namespace {

enum class Op { kDecision, kSets, kSigmoid };

class ThresholdCase : public Case {
 public:
  ThresholdCase(const MatrixSpec& spec, Op op, bool per_class, double threshold, bool strict,
                Placement placement)
      : matrix_(spec, placement),
        op_(op),
        per_class_(per_class),
        strict_(strict),
        thresholds_(per_class ? spec.classes : 1, 8, placement),
        bounds_(spec.classes, 8, placement),
        scratch_(static_cast<int64_t>(scratch_bytes(spec.classes)), 1, {0, placement.exact}),
        prediction_(op == Op::kDecision ? spec.rows : 0, 8, placement),
        confidence_(op == Op::kDecision ? spec.rows : 0, 8, placement),
        sets_(op == Op::kDecision ? 0 : spec.rows * spec.classes, 1, placement),
        sizes_(op == Op::kDecision ? 0 : spec.rows, 8, placement) {
    double* t = thresholds_.as<double>();
    t[0] = threshold;
    for (int64_t k = 0; per_class && k < spec.classes; ++k)
      t[k] = 0.02 + 0.9 * static_cast<double>(k % 7) / 7.0;
    smallest_ = *std::min_element(t, t + (per_class ? spec.classes : 1));
    for (int64_t k = 0; k < spec.classes; ++k) {
      const double threshold_k = t[per_class ? k : 0];
      bounds_.as<double>()[k] =
          op == Op::kSigmoid ? std::log(threshold_k / (1.0 - threshold_k)) : std::log(threshold_k);
    }
  }

  void run(const Kernels& kernels) override {
    const bool sets = op_ != Op::kDecision;
    const ThresholdArgs args{matrix_.view(),
                             thresholds_.as<double>(),
                             bounds_.as<double>(),
                             per_class_,
                             smallest_,
                             strict_,
                             sets ? nullptr : prediction_.as<int64_t>(),
                             sets ? nullptr : confidence_.as<double>(),
                             sets ? sets_.as<uint8_t>() : nullptr,
                             sets ? sizes_.as<int64_t>() : nullptr};
    first_bad_ = kNoBadRow;
    const int64_t N = matrix_.spec().rows;
    if (op_ == Op::kSigmoid) {
      kernels.sigmoid_chunk(args, 0, N, &first_bad_);
    } else {
      kernels.threshold_chunk(args, 0, N, &first_bad_, scratch_.data());
    }
  }

  std::string difference() const override {
    Comparison compare;
    const MatrixSpec& spec = matrix_.spec();
    const int64_t bad = first_bad_row(matrix_, false);
    compare.exact("first bad row", 0, static_cast<double>(first_bad_), static_cast<double>(bad));
    if (bad != kNoBadRow) return compare.text();
    for (int64_t i = 0; i < spec.rows; ++i) {
      const std::vector<double> x = matrix_.row(i);
      std::vector<double> p = softmax(x);
      if (op_ == Op::kSigmoid) {
        for (size_t j = 0; j < x.size(); ++j) p[j] = 1.0 / (1.0 + std::exp(-x[j]));
      }
      int64_t best = -1, size = 0;
      for (int64_t k = 0; k < spec.classes; ++k) {
        const double value = p[static_cast<size_t>(k)], t = thresholds_.as<double>()[per_class_ ? k : 0];
        const bool passes = strict_ ? value > t : value >= t;
        if (passes && (best < 0 || value > p[static_cast<size_t>(best)])) best = k;
        size += passes;
        if (op_ == Op::kDecision) continue;
        compare.exact("set", i * spec.classes + k, sets_.as<uint8_t>()[i * spec.classes + k], passes);
      }
      if (op_ != Op::kDecision) {
        compare.exact("size", i, static_cast<double>(sizes_.as<int64_t>()[i]), static_cast<double>(size));
        continue;
      }
      const double expected = best < 0 ? *std::max_element(p.begin(), p.end()) : p[static_cast<size_t>(best)];
      compare.exact("prediction", i, static_cast<double>(prediction_.as<int64_t>()[i]),
                    static_cast<double>(best));
      compare.near("confidence", i, confidence_.as<double>()[i], expected, matrix_.tolerance());
    }
    return compare.text();
  }

  uint64_t fingerprint() const override {
    return digest(thresholds_.data(), thresholds_.bytes(), matrix_.fingerprint() + strict_);
  }
  uint64_t checksum() const override {
    uint64_t hash = digest(prediction_.data(), prediction_.bytes());
    hash = digest(confidence_.data(), confidence_.bytes(), hash);
    return digest(sets_.data(), sets_.bytes(), hash);
  }

 private:
  Matrix matrix_;
  Op op_;
  bool per_class_;
  bool strict_;
  double smallest_ = 0.0;
  Buffer thresholds_;
  Buffer bounds_;
  Buffer scratch_;
  Buffer prediction_;
  Buffer confidence_;
  Buffer sets_;
  Buffer sizes_;
  int64_t first_bad_ = kNoBadRow;
};

void add(Entries& entries, const MatrixSpec& spec, Op op, bool gated, bool per_class = false,
         double threshold = 0.5, bool strict = false) {
  const char* ops[] = {"softmax_threshold/", "softmax_threshold_sets/", "sigmoid_threshold/"};
  std::string name =
      ops[static_cast<int>(op)] + spec.name() + (per_class ? "_class" : "") + (strict ? "_strict" : "");
  if (!per_class && threshold != 0.5) name += "_t" + std::to_string(static_cast<int>(threshold * 1000));
  entries.push_back({name, gated, [=](Placement placement, int64_t divisor) -> std::unique_ptr<Case> {
                       return std::make_unique<ThresholdCase>(divided(spec, divisor), op, per_class,
                                                              threshold, strict, placement);
                     }});
}

}  // namespace

void add_thresholds(Entries& entries) {
  using T = ScoreType;
  add(entries, {4096, 10}, Op::kDecision, true);
  add(entries, {512, 100}, Op::kDecision, true);
  add(entries, {64, 1000}, Op::kDecision, true);
  add(entries, {64, 1000, T::kBFloat16}, Op::kDecision, true);
  add(entries, {1024, 10, T::kFloat64}, Op::kDecision, true);
  add(entries, {256, 100}, Op::kDecision, true, true);
  add(entries, {1024, 2, T::kFloat32, Rows::kNearEdge}, Op::kDecision, true, false, 8.0 / 15.0);
  add(entries, {2048, 10}, Op::kSets, true, false, 0.1);
  add(entries, {64, 1000}, Op::kSets, true, true);
  add(entries, {2048, 10}, Op::kSigmoid, true, false, 0.7);
  add(entries, {64, 1000, T::kBFloat16}, Op::kSigmoid, true, true);
  add(entries, {512, 17, T::kFloat64, Rows::kPlain, Layout::kColumns}, Op::kSigmoid, true, false, 0.7);
  for (const MatrixSpec& spec : awkward_matrices(false, false)) {
    const bool strict = spec.classes % 2 != 0;
    for (const Op op : {Op::kDecision, Op::kSets, Op::kSigmoid}) {
      add(entries, spec, op, false, false, 0.5, strict);
      add(entries, spec, op, false, true, 0.0, !strict);
      if (spec.kind == Rows::kNearEdge) add(entries, spec, op, false, false, 8.0 / 15.0, strict);
    }
  }
}

}  // namespace calibench::perf
