// Rows of scores as class probabilities: the table of class-wise bins, and sums of classes in resamples.
// Compared with a loop over rows, classes and edges in float64, whatever the type of the scores.
#include "resampled.h"

namespace calibench::perf {
namespace {

constexpr double kTolerance = 1e-12;
constexpr double kTiny = 1e-300;  // below it, terms of the kernels are 0

std::vector<double> probabilities(const Matrix& matrix, int64_t row) {
  return matrix.spec().from_probs() ? matrix.row(row) : softmax(matrix.row(row));
}

class ClassTableCase : public Case {
 public:
  ClassTableCase(const MatrixSpec& spec, int64_t bins, bool with_factors, Placement placement)
      : matrix_(spec, placement),
        bins_(bins),
        factors_(with_factors ? spec.classes * bins : 0, 8, placement),
        moments_(2 * spec.classes * bins, 8, placement),
        entries_(spec.rows * std::min(spec.classes, bins), sizeof(ClassEntry), {0, placement.exact}),
        scratch_(row_scratch(spec.classes), 8, placement) {
    Random random(static_cast<uint64_t>(bins));
    for (size_t i = 0; i < factors_.bytes() / 8; ++i) factors_.as<double>()[i] = 0.1 + random.uniform();
  }

  void clear() override { std::memset(moments_.data(), 0, moments_.bytes()); }

  void run(const Kernels& kernels) override {
    const ClassRows rows{matrix_.view(),
                         nullptr,
                         matrix_.spec().rows,
                         matrix_.spec().from_probs(),
                         bins_,
                         with_factors() ? factors_.as<double>() : nullptr};
    const int64_t room = matrix_.spec().rows * std::min(matrix_.spec().classes, bins_);
    expected_right_ = 0.0;
    found_ = kernels.class_table(rows, 0, matrix_.spec().rows, moments_.as<double>(), &expected_right_,
                                 entries_.as<ClassEntry>(), room, scratch_.as<double>());
  }

  std::string difference() const override {
    Comparison compare;
    const MatrixSpec& spec = matrix_.spec();
    if (spec.fault != Fault::kNone) return "";
    std::vector<Sum> moments(moments_.bytes() / 8);
    Sum right;
    int64_t found = 0;
    for (int64_t i = 0; i < spec.rows; ++i) {
      std::vector<double> p = probabilities(matrix_, i);
      const auto top = std::max_element(p.begin(), p.end()) - p.begin();
      std::vector<int64_t> bin(p.size());
      for (size_t k = 0; k < p.size(); ++k) bin[k] = bin_by_counting(p[k], bins_);
      change(bin, p);
      right.add(p[static_cast<size_t>(top)]);
      for (int64_t k = 0; k < spec.classes; ++k) {
        const double value = p[static_cast<size_t>(k)];
        const int64_t m = bin[static_cast<size_t>(k)], at = m * spec.classes + k;
        moments[static_cast<size_t>(at)].add(value);
        moments[static_cast<size_t>(spec.classes * bins_ + at)].add(value * value);
        if (m == 0) continue;
        const ClassEntry& entry = entries_.as<ClassEntry>()[found];
        compare.exact("row", found, entry.row, static_cast<double>(i));
        compare.exact("cell", found, entry.cell, static_cast<double>(k * bins_ + m));
        compare.near("entry", found++, entry.p, value, kTolerance);
      }
    }
    compare.exact("entries", 0, static_cast<double>(found_), static_cast<double>(found));
    compare.near("expected right", 0, expected_right_, right.value(), kTolerance);
    for (size_t i = 0; i < moments.size(); ++i) {
      compare.near("moment", static_cast<int64_t>(i), moments_.as<double>()[i], moments[i].value(),
                   kTolerance, 0.0, kTiny);
    }
    return compare.text();
  }

  uint64_t fingerprint() const override {
    return digest(factors_.data(), factors_.bytes(), matrix_.fingerprint() + static_cast<uint64_t>(bins_));
  }
  uint64_t checksum() const override {
    return digest(entries_.data(), static_cast<size_t>(found_) * sizeof(ClassEntry),
                  digest(moments_.data(), moments_.bytes()));
  }

 private:
  bool with_factors() const { return factors_.bytes() > 0; }
  void change(const std::vector<int64_t>& bin, std::vector<double>& p) const {
    if (!with_factors()) return;
    Sum total;
    for (size_t k = 0; k < p.size(); ++k) {
      p[k] *= factors_.as<double>()[static_cast<int64_t>(k) * bins_ + bin[k]];
      total.add(p[k]);
    }
    for (double& value : p) value /= total.value();
  }

  Matrix matrix_;
  int64_t bins_;
  Buffer factors_;
  Buffer moments_;
  Buffer entries_;
  Buffer scratch_;
  double expected_right_ = 0.0;
  int64_t found_ = 0;
};

class ClassGapsCase : public Case {
 public:
  ClassGapsCase(const MatrixSpec& spec, int64_t lanes, bool placed, Placement placement)
      : matrix_(spec, placement),
        resampled_({std::max<int64_t>(1, spec.rows), spec.rows, lanes, placed}, placement),
        labels_(spec.rows, 8, placement),
        sums_(spec.classes * lanes, 8, placement),
        scratch_(class_gap_scratch(spec.classes, lanes), 1, {0, placement.exact}) {
    Random random(static_cast<uint64_t>(spec.classes));
    for (int64_t i = 0; i < spec.rows; ++i) labels_.as<int64_t>()[i] = random.below(spec.classes);
  }

  void clear() override { std::memset(sums_.data(), 0, sums_.bytes()); }

  void run(const Kernels& kernels) override {
    const int64_t rows = matrix_.spec().rows;
    const ResampledCounts counts = resampled_.view();
    const ClassGapArgs args{{matrix_.view(), nullptr, rows, matrix_.spec().from_probs(), 1, nullptr},
                            {labels_.data(), 1, LabelType::kInt64},
                            counts.counts,
                            counts.places,
                            counts.lanes,
                            sums_.as<int64_t>()};
    for (int64_t begin = 0; begin < rows; begin += kClassRows) {
      kernels.class_gaps(args, begin, std::min(rows, begin + kClassRows), sums_.as<int64_t>(),
                         scratch_.as<char>());
    }
  }

  // Of logits, a probability may be halfway between two whole numbers, and be rounded otherwise.
  std::string difference() const override {
    Comparison compare;
    const MatrixSpec& spec = matrix_.spec();
    if (spec.fault != Fault::kNone) return "";
    std::vector<int64_t> sums(sums_.bytes() / 8);
    for (int64_t i = 0; i < spec.rows; ++i) {
      const std::vector<double> p = probabilities(matrix_, i);
      for (int64_t k = 0; k < spec.classes; ++k) {
        const double one = k == labels_.as<int64_t>()[i] ? 1 << kClassBits : 0;
        const double whole = std::floor(p[static_cast<size_t>(k)] * (1 << kClassBits) + 0.5) - one;
        for (int64_t lane = 0; lane < resampled_.lanes(); ++lane) {
          sums[static_cast<size_t>(k * resampled_.lanes() + lane)] +=
              static_cast<int64_t>(whole * resampled_.weight(i, lane));
        }
      }
    }
    for (size_t i = 0; i < sums.size(); ++i) {
      compare.near("sum", static_cast<int64_t>(i), static_cast<double>(sums_.as<int64_t>()[i]),
                   static_cast<double>(sums[i]), 0.0, 0.0, spec.from_probs() ? 0.0 : 8.0);
    }
    return compare.text();
  }

  uint64_t fingerprint() const override { return matrix_.fingerprint() ^ resampled_.fingerprint(); }
  uint64_t checksum() const override { return digest(sums_.data(), sums_.bytes()); }

 private:
  Matrix matrix_;
  Resampled resampled_;
  Buffer labels_;
  Buffer sums_;
  Buffer scratch_;
};

void add_table(Entries& entries, const MatrixSpec& spec, int64_t bins, bool with_factors, bool gated) {
  const std::string name =
      "class_table/" + spec.name() + "_bins" + std::to_string(bins) + (with_factors ? "_factors" : "");
  entries.push_back({name, gated, [=](Placement placement, int64_t divisor) -> std::unique_ptr<Case> {
                       return std::make_unique<ClassTableCase>(divided(spec, divisor), bins, with_factors,
                                                               placement);
                     }});
}

void add_sums(Entries& entries, const MatrixSpec& spec, int64_t lanes, bool placed, bool gated) {
  const std::string name =
      "class_gaps/" + spec.name() + "_lanes" + std::to_string(lanes) + (placed ? "_places" : "");
  entries.push_back({name, gated, [=](Placement placement, int64_t divisor) -> std::unique_ptr<Case> {
                       return std::make_unique<ClassGapsCase>(divided(spec, divisor), lanes, placed,
                                                              placement);
                     }});
}

}  // namespace

void add_class_rows(Entries& entries) {
  using T = ScoreType;
  add_table(entries, {2048, 10}, 15, false, true);
  add_table(entries, {64, 1000}, 15, false, true);
  add_table(entries, {64, 1000, T::kFloat32, Rows::kProbs}, 15, false, true);
  add_table(entries, {512, 10}, 15, true, true);
  add_sums(entries, {512, 10}, 64, false, true);
  add_sums(entries, {128, 250}, 16, true, true);  // 1 000 classes do the same more often
  for (const MatrixSpec& spec : awkward_matrices(true, false)) {
    if (spec.classes > 50000) {
      add_table(entries, spec, 2, false, false);
      add_sums(entries, spec, 16, false, false);
      continue;
    }
    for (const int64_t bins : {1, 15}) {
      add_table(entries, spec, bins, spec.classes < 100 && spec.layout != Layout::kRows, false);
    }
    add_sums(entries, spec, 32, spec.classes % 2 == 1, false);
  }
  for (const int64_t rows : {127, 128, 129, 260}) add_sums(entries, {rows, 3}, 16, true, false);
}

}  // namespace calibench::perf
