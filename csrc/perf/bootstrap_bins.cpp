// bootstrap_bins: compares resamples with positions drawn one at a time by
// core/philox.h. They must be equal to the last bit.
#include "case.h"

namespace calibench::perf {
namespace {

class BootstrapCase : public Case {
 public:
  BootstrapCase(int64_t samples, int64_t bins, int64_t resamples, Placement placement)
      : samples_(samples),
        bins_(bins),
        resamples_(resamples),
        digits_(kDigits * samples, 2, placement),
        cells_(2 * bins + 1, 8, placement),
        counts_(samples, 1, placement),
        sums_(resamples * 3 * bins, 8, placement) {
    Random random(static_cast<uint64_t>(samples));
    std::vector<std::pair<int64_t, double>> cells_and_confidences;
    for (int64_t i = 0; i < samples; ++i) {
      const double confidence = 1.0 - random.uniform() * random.uniform();
      cells_and_confidences.emplace_back(
          2 * bin_by_counting(confidence, bins) + (random.uniform() < confidence), confidence);
    }
    std::stable_sort(cells_and_confidences.begin(), cells_and_confidences.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    bits_ = fixed_point_bits(samples);
    for (int64_t i = 0; i < samples; ++i) {
      to_digits(to_fixed(cells_and_confidences[static_cast<size_t>(i)].second, bits_), samples,
                digits_.as<int16_t>() + i);
      ++cells_.as<int64_t>()[cells_and_confidences[static_cast<size_t>(i)].first + 1];
    }
    for (int64_t c = 0; c < 2 * bins; ++c) cells_.as<int64_t>()[c + 1] += cells_.as<int64_t>()[c];
  }

  void run(const Kernels& kernels) override {
    const BootstrapArgs args = arguments();
    for (int64_t b = 0; b < resamples_; ++b) {
      kernels.resample(args, b, counts_.as<uint8_t>(), sums_.as<double>() + b * 3 * bins_);
    }
  }

  std::string difference() const override {
    Comparison compare;
    const BootstrapArgs args = arguments();
    const PhiloxKey key = philox_key(args.seed);
    for (int64_t b = 0; b < resamples_; ++b) {
      std::vector<int64_t> expected(static_cast<size_t>(3 * bins_));
      for (int64_t i = 0; i < samples_; ++i) {
        const bool narrow = samples_ <= kNarrowDraws;
        const PhiloxBlock block =
            philox_draws(static_cast<uint64_t>(narrow ? i / 4 : i / 2), static_cast<uint64_t>(b), key);
        const int64_t position =
            narrow ? narrow_position(block.word[i % 4], samples_)
                   : wide_position(block.word[2 * (i % 2)], block.word[2 * (i % 2) + 1], samples_);
        const int64_t* end = args.cell_begins + 2 * bins_ + 1;
        const int64_t cell = std::upper_bound(args.cell_begins, end, position) - args.cell_begins - 1;
        expected[static_cast<size_t>(cell / 2)] += 1;
        expected[static_cast<size_t>(bins_ + cell / 2)] += from_digits(args.digits + position, samples_);
        expected[static_cast<size_t>(2 * bins_ + cell / 2)] += cell % 2;
      }
      for (int64_t index = 0; index < 3 * bins_; ++index) {
        const double unit = index / bins_ == 1 ? args.unit : 1.0;
        const double value = static_cast<double>(expected[static_cast<size_t>(index)]) * unit;
        compare.exact("sums", b * 3 * bins_ + index, sums_.as<double>()[b * 3 * bins_ + index], value);
      }
    }
    return compare.text();
  }

  uint64_t fingerprint() const override {
    return digest(cells_.data(), cells_.bytes(), digest(digits_.data(), digits_.bytes())) +
           static_cast<uint64_t>(resamples_);
  }
  uint64_t checksum() const override { return digest(sums_.data(), sums_.bytes()); }

 private:
  BootstrapArgs arguments() const {
    return {digits_.as<int16_t>(), cells_.as<int64_t>(), samples_, bins_, std::ldexp(1.0, -bits_), 7};
  }

  int64_t samples_;
  int64_t bins_;
  int64_t resamples_;
  int bits_ = 0;
  Buffer digits_;
  Buffer cells_;
  Buffer counts_;
  Buffer sums_;
};

void add(Entries& entries, int64_t samples, int64_t bins, int64_t resamples, bool gated) {
  const std::string name = "bootstrap_bins/" + std::to_string(samples) + "_bins" + std::to_string(bins) +
                           "_B" + std::to_string(resamples);
  entries.push_back({name, gated, [=](Placement placement, int64_t divisor) -> std::unique_ptr<Case> {
                       const int64_t rows = std::max<int64_t>(1, samples / divisor);
                       return std::make_unique<BootstrapCase>(rows, bins, resamples, placement);
                     }});
}

}  // namespace

void add_bootstrap_bins(Entries& entries) {
  add(entries, 20000, 15, 1, true);
  add(entries, 1000, 15, 8, true);
  for (const int64_t samples : {1, 2, 31, 32, 33, 1000}) {
    for (const int64_t bins : {1, 15}) add(entries, samples, bins, 2, false);
  }
  add(entries, kNarrowDraws + 1, 15, 1, false);  // the smallest size with 64-bit draws
}

}  // namespace calibench::perf
