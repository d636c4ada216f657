// label_draws: compares the labels of each draw with words of core/philox.h and running shares of the
// classes.
#include "case.h"

namespace calibench::perf {
namespace {

constexpr int64_t kCells = 3;
constexpr int64_t kSeed = (int64_t{1} << 41) + 1;
constexpr int64_t kFirst = (int64_t{1} << 32) - 4;  // the upper half of the counter changes on the way

class LabelDrawsCase : public Case {
 public:
  LabelDrawsCase(const MatrixSpec& spec, int64_t bins, int64_t lanes, bool with_factors, Placement placement)
      : matrix_(spec, placement),
        bins_(bins),
        lanes_(lanes),
        factors_(with_factors ? spec.classes * bins : 0, 8, placement),
        cells_(spec.rows, 4, placement),
        right_(kCells * lanes, 4, placement),
        labels_(spec.classes * bins * lanes, 4, placement),
        scratch_(2 * row_scratch(spec.classes), 8, placement) {
    Random random(static_cast<uint64_t>(bins));
    for (size_t i = 0; i < factors_.bytes() / 8; ++i) factors_.as<double>()[i] = 0.1 + random.uniform();
    for (int64_t i = 0; i < spec.rows; ++i)
      cells_.as<int32_t>()[i] = static_cast<int32_t>(random.below(kCells));
  }

  void clear() override {
    std::memset(right_.data(), 0, right_.bytes());
    std::memset(labels_.data(), 0, labels_.bytes());
  }

  void run(const Kernels& kernels) override {
    const int64_t rows = matrix_.spec().rows;
    const double* factors = factors_.bytes() == 0 ? nullptr : factors_.as<double>();
    const LabelDrawArgs args{{matrix_.view(), nullptr, rows, matrix_.spec().from_probs(), bins_, factors},
                             cells_.as<int32_t>(),
                             kFirst,
                             kSeed,
                             lanes_,
                             right_.as<int32_t>(),
                             labels_.as<int32_t>()};
    kernels.label_draws(args, 0, rows, scratch_.as<double>());
  }

  std::string difference() const override {
    Comparison compare;
    const MatrixSpec& spec = matrix_.spec();
    std::vector<double> right(right_.bytes() / 4), labels(labels_.bytes() / 4);
    if (spec.fault != Fault::kNone) return count_labels();
    for (int64_t i = 0; i < spec.rows; ++i) draw_row(i, right, labels);
    for (size_t i = 0; i < right.size(); ++i) {
      compare.exact("right", static_cast<int64_t>(i), right_.as<int32_t>()[i], right[i]);
    }
    for (size_t i = 0; i < labels.size(); ++i) {
      compare.exact("labels", static_cast<int64_t>(i), labels_.as<int32_t>()[i], labels[i]);
    }
    return compare.text();
  }

  uint64_t fingerprint() const override {
    return digest(factors_.data(), factors_.bytes(),
                  digest(cells_.data(), cells_.bytes(), matrix_.fingerprint())) +
           static_cast<uint64_t>(bins_ * 1000 + lanes_);
  }
  uint64_t checksum() const override {
    return digest(right_.data(), right_.bytes(), digest(labels_.data(), labels_.bytes()));
  }

 private:
  // The labels of one row in all draws, by the definition.
  void draw_row(int64_t i, std::vector<double>& right, std::vector<double>& labels) const {
    std::vector<double> p = matrix_.spec().from_probs() ? matrix_.row(i) : softmax(matrix_.row(i));
    const int64_t top = std::max_element(p.begin(), p.end()) - p.begin();
    std::vector<int64_t> cell(p.size());
    Sum total;
    for (size_t k = 0; k < p.size(); ++k) {
      cell[k] = static_cast<int64_t>(k) * bins_ + bin_by_counting(p[k], bins_);
      if (factors_.bytes() > 0) p[k] *= factors_.as<double>()[cell[k]];
      total.add(p[k]);
    }
    const double sum = factors_.bytes() > 0 ? total.value() : 1.0;
    const double confidence = p[static_cast<size_t>(top)] / sum;
    p[static_cast<size_t>(top)] = 0.0;
    Sum others;
    for (const double value : p) others.add(value);
    for (int64_t lane = 0; lane < lanes_; ++lane) {
      const PhiloxBlock block =
          philox_draws(static_cast<uint64_t>(i / 2), static_cast<uint64_t>(kFirst + lane), philox_key(kSeed));
      const uint32_t decide = block.word[i % 2 * 2], choose = block.word[i % 2 * 2 + 1];
      const bool is_right = others.value() <= 0.0 || decide <= std::ceil(confidence * 0x1p32) - 1.0;
      const size_t label = static_cast<size_t>(is_right ? top : other(p, others.value(), choose >> 1));
      right[static_cast<size_t>(cells_.as<int32_t>()[i] * lanes_ + lane)] += is_right ? 1.0 : 0.0;
      labels[static_cast<size_t>(cell[label] * lanes_ + lane)] += 1.0;
    }
  }

  // The first class whose running share is above `share`; the last possible one if none is.
  static int64_t other(const std::vector<double>& p, double total, uint32_t share) {
    Sum running;
    int64_t last = 0;
    for (size_t k = 0; k < p.size(); ++k) {
      running.add(p[k]);
      if (std::floor(running.value() / total * 0x1p31) > share) return static_cast<int64_t>(k);
      if (p[k] > 0.0) last = static_cast<int64_t>(k);
    }
    return last;
  }

  // Rows with NaN have any label, but each has one.
  std::string count_labels() const {
    Comparison compare;
    for (int64_t lane = 0; lane < lanes_; ++lane) {
      double count = 0.0;
      for (int64_t c = 0; c < matrix_.spec().classes * bins_; ++c) {
        count += labels_.as<int32_t>()[c * lanes_ + lane];
      }
      compare.exact("labels", lane, count, static_cast<double>(matrix_.spec().rows));
    }
    return compare.text();
  }

  Matrix matrix_;
  int64_t bins_;
  int64_t lanes_;
  Buffer factors_;
  Buffer cells_;
  Buffer right_;
  Buffer labels_;
  Buffer scratch_;
};

void add(Entries& entries, const MatrixSpec& spec, int64_t bins, int64_t lanes, bool with_factors,
         bool gated) {
  const std::string name = "label_draws/" + spec.name() + "_bins" + std::to_string(bins) + "_draws" +
                           std::to_string(lanes) + (with_factors ? "_factors" : "");
  entries.push_back({name, gated, [=](Placement placement, int64_t divisor) -> std::unique_ptr<Case> {
                       return std::make_unique<LabelDrawsCase>(divided(spec, divisor), bins, lanes,
                                                               with_factors, placement);
                     }});
}

}  // namespace

void add_label_draws(Entries& entries) {
  add(entries, {256, 10}, 15, 128, false, true);
  add(entries, {64, 1000}, 15, 64, false, true);
  add(entries, {256, 10}, 15, 128, true, true);
  for (const MatrixSpec& spec : awkward_matrices(true, false)) {
    const bool wide = spec.classes > 50000;
    add(entries, spec, wide ? 1 : 15, wide ? 8 : 16, spec.classes < 100 && spec.rows % 2 == 1, false);
    if (!wide) add(entries, spec, spec.classes % 2 + 1, 8, false, false);
  }
}

}  // namespace calibench::perf
