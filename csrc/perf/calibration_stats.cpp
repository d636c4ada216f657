// calibration_stats: adds two chunks to a state, reads the state, and compares with core/row.h row by row.
#include "case.h"

namespace calibench::perf {
namespace {

// Bounds on terms that become 0: exp is 0 below e^-708 (simd/math.h), and so is the square of a float32 term
// below 2^-126. A tail or a Brier score may miss K of them.
constexpr double kLostTerm = 0x1p-1021;
constexpr double kLostSquare = 0x1p-125;

class CalibrationCase : public Case {
 public:
  CalibrationCase(const MatrixSpec& spec, int64_t bins, bool samples, Placement placement)
      : matrix_(spec, placement),
        bins_(bins),
        samples_(samples ? kSampleRows * spec.rows : 0, 8, placement),
        scratch_(static_cast<int64_t>(scratch_bytes(spec.classes)), 1, {0, placement.exact}),
        state_((bins + 2) * kStateColumns, 8, placement),
        bin_sums_(3 * bins, 8, placement),
        totals_(4, 8, placement) {}

  void clear() override { std::memset(state_.data(), 0, state_.bytes()); }

  void run(const Kernels& kernels) override {
    const MatrixSpec& spec = matrix_.spec();
    const Scores scores = matrix_.view();
    const CalibrationArgs args{scores.data,       scores.type,         scores.rows,      scores.classes,
                               scores.row_stride, scores.class_stride, matrix_.labels(), bins_,
                               spec.from_probs()};
    const int64_t middle = 3 * spec.rows / 8;
    std::vector<BinSums> bins(static_cast<size_t>(2 * bins_));
    ChunkTotals totals[2];
    double* samples = samples_.bytes() ? samples_.as<double>() : nullptr;
    kernels.calibration_chunk(args, 0, middle, &bins[0], &totals[0], samples, scratch_.data());
    kernels.calibration_chunk(args, middle, spec.rows, &bins[static_cast<size_t>(bins_)], &totals[1], samples,
                              scratch_.data());
    first_bad_ = std::min(totals[0].first_bad, totals[1].first_bad);
    if (first_bad_ != kNoBadRow) return;
    add_chunks(bins.data(), totals, 2, bins_, spec.rows, state_.as<double>());
    read_state(state_.as<double>(), bins_, bin_sums_.as<double>(), totals_.as<double>());
  }

  std::string difference() const override {
    Comparison compare;
    const MatrixSpec& spec = matrix_.spec();
    if (compare_first_bad_row(matrix_, first_bad_, &compare)) return compare.text();
    std::vector<double> count(static_cast<size_t>(bins_)), right(count);
    std::vector<Sum> confidence(static_cast<size_t>(bins_));
    Sum nll, brier, correct;
    const double tolerance = matrix_.tolerance();
    const double lost = kLostTerm * static_cast<double>(spec.classes);
    const double lost_square = kLostSquare * static_cast<double>(spec.classes);
    const double* samples = samples_.as<double>();
    for (int64_t i = 0; i < spec.rows; ++i) {
      const std::vector<double> x = matrix_.row(i);
      const int64_t label = matrix_.label(i);
      Row row;
      if (evaluate_row(x.data(), spec.classes, 1, label, spec.from_probs(), &row) != RowStatus::kOk)
        return "bad inputs";
      const size_t k = static_cast<size_t>(bin_by_counting(row.confidence, bins_));
      count[k] += 1.0;
      right[k] += row.prediction == label ? 1.0 : 0.0;
      confidence[k].add(row.confidence);
      nll.add(row.nll);
      brier.add(row.brier);
      correct.add(row.prediction == label ? 1.0 : 0.0);
      if (!samples_.bytes()) continue;
      compare.near("sample confidence", i, samples[kConfidence * spec.rows + i], row.confidence, tolerance);
      compare.near("sample tail", i, samples[kTail * spec.rows + i], row.tail, tolerance, 0.0, lost);
      compare.exact("sample prediction", i, samples[kPrediction * spec.rows + i],
                    static_cast<double>(row.prediction));
      compare.near("sample nll", i, samples[kNll * spec.rows + i], row.nll, tolerance, 0.0, lost);
      compare.near("sample brier", i, samples[kBrier * spec.rows + i], row.brier, tolerance, 0.0,
                   lost_square);
    }
    const double* sums = bin_sums_.as<double>();
    for (int64_t k = 0; k < bins_; ++k) {
      const size_t at = static_cast<size_t>(k);
      compare.exact("count", k, sums[k], count[at]);
      compare.near("confidence sum", k, sums[bins_ + k], confidence[at].value(), tolerance);
      compare.exact("correct", k, sums[2 * bins_ + k], right[at]);
    }
    const double* totals = totals_.as<double>();
    compare.near("nll sum", 0, totals[0], nll.value(), tolerance, 0.0, lost * static_cast<double>(spec.rows));
    compare.near("brier sum", 0, totals[1], brier.value(), tolerance, 0.0,
                 lost_square * static_cast<double>(spec.rows));
    compare.exact("correct", 0, totals[2], correct.value());
    compare.exact("n", 0, totals[3], static_cast<double>(spec.rows));
    return compare.text();
  }

  uint64_t fingerprint() const override { return matrix_.fingerprint() + static_cast<uint64_t>(bins_); }
  uint64_t checksum() const override {
    return digest(samples_.data(), samples_.bytes(), digest(state_.data(), state_.bytes()));
  }

 private:
  Matrix matrix_;
  int64_t bins_;
  Buffer samples_;
  Buffer scratch_;
  Buffer state_;
  Buffer bin_sums_;
  Buffer totals_;
  int64_t first_bad_ = kNoBadRow;
};

void add(Entries& entries, const MatrixSpec& spec, bool samples, bool gated, int64_t bins = 15) {
  const std::string name = "calibration_stats/" + spec.name() + (samples ? "_samples" : "") +
                           (bins != 15 ? "_bins" + std::to_string(bins) : "");
  entries.push_back({name, gated, [=](Placement placement, int64_t divisor) -> std::unique_ptr<Case> {
                       return std::make_unique<CalibrationCase>(divided(spec, divisor), bins, samples,
                                                                placement);
                     }});
}

}  // namespace

void add_calibration_stats(Entries& entries) {
  using T = ScoreType;
  add(entries, {8192, 2}, false, true);
  add(entries, {4096, 10}, false, true);
  add(entries, {1024, 17, T::kFloat32, Rows::kPlain, Layout::kPadded}, true, true);
  add(entries, {512, 100}, false, true);
  add(entries, {64, 1000}, false, true);
  add(entries, {4, 32000}, false, true);
  add(entries, {4096, 10, T::kBFloat16}, false, true);
  add(entries, {64, 1000, T::kBFloat16}, false, true);
  add(entries, {512, 100, T::kFloat16}, false, true);
  add(entries, {2048, 10, T::kFloat64}, true, true);
  add(entries, {32, 1000, T::kFloat64}, false, true);
  add(entries, {2048, 10, T::kFloat32, Rows::kSaturated}, false, true);
  add(entries, {1024, 2, T::kFloat32, Rows::kNearEdge}, false, true);
  add(entries, {256, 100, T::kFloat32, Rows::kProbs}, false, true);
  add(entries, {256, 100, T::kFloat32, Rows::kPlain, Layout::kColumns}, false, true);
  for (const MatrixSpec& spec : awkward_matrices(true, true)) {
    add(entries, spec, spec.classes % 2 == 0, false);
    if (spec.classes == 10) add(entries, spec, false, false, spec.layout == Layout::kRows ? 1 : 100);
  }
}

}  // namespace calibench::perf
