// nll_curve: computes one chunk at several temperatures and compares with the
// formulas of core/nll_curve.h, term by term.
#include "case.h"

namespace calibench::perf {
namespace {

constexpr double kTemperatures[] = {1.0, 0.25, 3.0, 0.02, 50.0};

class CurveCase : public Case {
 public:
  CurveCase(const MatrixSpec& spec, int64_t points, Placement placement)
      : matrix_(spec, placement),
        points_(points),
        inverse_(points, 8, placement),
        sums_(static_cast<size_t>(points)),
        scratch_(static_cast<int64_t>(scratch_bytes(spec.classes)), 1, {0, placement.exact}) {
    for (int64_t t = 0; t < points; ++t) inverse_.as<double>()[t] = 1.0 / kTemperatures[t];
  }

  void run(const Kernels& kernels) override {
    std::fill(sums_.begin(), sums_.end(), CurveSums{});
    const CurveArgs args{matrix_.view(), matrix_.labels(), inverse_.as<double>(), points_};
    first_bad_ = kNoBadRow;
    kernels.nll_curve_chunk(args, 0, matrix_.spec().rows, sums_.data(), &first_bad_, scratch_.data());
  }

  std::string difference() const override {
    Comparison compare;
    const MatrixSpec& spec = matrix_.spec();
    if (compare_first_bad_row(matrix_, first_bad_, &compare)) return compare.text();
    for (int64_t t = 0; t < points_; ++t) {
      const double b = inverse_.as<double>()[t];
      Sum nll, slope, curvature;
      // Terms have both signs, so errors are relative to these sums of magnitudes.
      double slope_size = 0.0, curvature_size = 0.0;
      for (int64_t i = 0; i < spec.rows; ++i) {
        const std::vector<double> x = matrix_.row(i);
        std::vector<double> e(x.size());
        const double label_score = x[static_cast<size_t>(matrix_.label(i))];
        const double top = *std::max_element(x.begin(), x.end());
        Sum mass, first, second;
        for (size_t j = 0; j < x.size(); ++j) {
          const double d = x[j] - top;
          e[j] = std::exp(b * d);
          mass.add(e[j]);
          first.add(e[j] * d);
          second.add(e[j] * d * d);
        }
        const double mean = first.value() / mass.value();
        Sum spread;  // sum of p (d - E d)^2
        for (size_t j = 0; j < x.size(); ++j) {
          const double d = x[j] - top - mean;
          spread.add(e[j] * d * d);
        }
        const double gap = b * (mean - (label_score - top)), variance = b * b * spread.value() / mass.value();
        nll.add(std::log(mass.value()) - b * (label_score - top));
        slope.add(-gap);
        curvature.add(gap + variance);
        slope_size += b * (std::fabs(mean) + std::fabs(label_score - top));
        curvature_size += std::fabs(gap) + b * b * second.value() / mass.value();
      }
      const CurveSums& actual = sums_[static_cast<size_t>(t)];
      const double rows = static_cast<double>(spec.rows);
      compare.near("nll", t, actual.nll.value(), nll.value(), matrix_.tolerance(), 1e-3 * rows);
      compare.near("slope", t, actual.slope.value(), slope.value(), matrix_.tolerance(), slope_size);
      compare.near("curvature", t, actual.curvature.value(), curvature.value(), matrix_.tolerance(),
                   curvature_size);
    }
    return compare.text();
  }

  uint64_t fingerprint() const override { return matrix_.fingerprint() + static_cast<uint64_t>(points_); }
  uint64_t checksum() const override { return digest(sums_.data(), sums_.size() * sizeof(CurveSums)); }

 private:
  Matrix matrix_;
  int64_t points_;
  Buffer inverse_;
  std::vector<CurveSums> sums_;
  Buffer scratch_;
  int64_t first_bad_ = kNoBadRow;
};

void add(Entries& entries, const MatrixSpec& spec, int64_t points, bool gated) {
  const std::string name = "nll_curve/" + spec.name() + "_T" + std::to_string(points);
  entries.push_back({name, gated, [=](Placement placement, int64_t divisor) -> std::unique_ptr<Case> {
                       return std::make_unique<CurveCase>(divided(spec, divisor), points, placement);
                     }});
}

}  // namespace

void add_nll_curve(Entries& entries) {
  using T = ScoreType;
  add(entries, {1024, 10}, 3, true);
  add(entries, {32, 1000}, 3, true);
  add(entries, {32, 1000}, 1, true);
  add(entries, {256, 100, T::kBFloat16}, 1, true);
  add(entries, {1024, 10, T::kFloat64}, 3, true);
  add(entries, {256, 100, T::kFloat32, Rows::kPlain, Layout::kColumns}, 1, true);
  for (const MatrixSpec& spec : awkward_matrices(false, true))
    add(entries, spec, spec.classes % 2 ? 5 : 1, false);
}

}  // namespace calibench::perf
