// Resamples side by side: their draws, and their sums over ranges and over ranks. Draws are compared with
// core/philox.h, sums with a loop over the items of one resample.
#include "resampled.h"

namespace calibench::perf {
namespace {

constexpr int64_t kSeed = (int64_t{1} << 40) + 3;
constexpr int64_t kFirst = 5;

class DrawsCase : public Case {
 public:
  DrawsCase(int64_t samples, Placement placement)
      : samples_(samples), rows_(kDrawn * samples, 1, placement), counts_(kLanes * samples, 1, placement) {}

  void run(const Kernels& kernels) override {
    for (int64_t r = 0; r < kDrawn; ++r) {
      kernels.count_draws(samples_, kSeed, kFirst + r, rows_.as<uint8_t>() + r * samples_);
    }
    kernels.interleave(rows_.as<uint8_t>(), samples_, counts_.as<uint8_t>() + kLanes - kDrawn, kLanes);
  }

  std::string difference() const override {
    Comparison compare;
    std::vector<double> expected(static_cast<size_t>(kLanes * samples_));
    for (int64_t i = 0; i < kDrawn * samples_; ++i) {
      const int64_t draw = i / kDrawn, r = i % kDrawn;
      const PhiloxBlock block =
          philox_draws(static_cast<uint64_t>(draw / 4), static_cast<uint64_t>(kFirst + r), philox_key(kSeed));
      const int64_t position = narrow_position(block.word[draw % 4], samples_);
      expected[static_cast<size_t>(position * kLanes + kLanes - kDrawn + r)] += 1.0;
    }
    for (int64_t i = 0; i < kLanes * samples_; ++i) {
      compare.exact("count", i, counts_.as<uint8_t>()[i], expected[static_cast<size_t>(i)]);
    }
    return compare.text();
  }

  uint64_t fingerprint() const override { return static_cast<uint64_t>(samples_); }
  uint64_t checksum() const override { return digest(counts_.data(), counts_.bytes()); }

 private:
  int64_t samples_;
  Buffer rows_;
  Buffer counts_;
};

class SumsCase : public Case {
 public:
  SumsCase(const ResampleShape& shape, int64_t columns, int64_t ranges, Placement placement)
      : resampled_(shape, placement),
        ranges_(ranges),
        columns_(shape.items, columns, placement),
        ends_(ranges, 8, placement),
        sums_(ranges * (columns + 1) * shape.lanes, 8, placement),
        scratch_(kTile * (kLanes + columns), 8, placement) {
    Random random(static_cast<uint64_t>(columns * 100 + ranges));
    fill_ends(random, shape.items, ends_);
  }

  void run(const Kernels& kernels) override {
    for (int64_t lane = 0; lane < resampled_.lanes(); lane += kLanes) {
      kernels.resample_sums(arguments(), 0, ranges_, lane, scratch_.as<double>());
    }
  }

  std::string difference() const override {
    Comparison compare;
    const ResampleSumsArgs args = arguments();
    const int64_t lanes = resampled_.lanes();
    for (int64_t index = 0; index < ranges_ * (columns_.count() + 1) * lanes; ++index) {
      const int64_t lane = index % lanes, c = index / lanes % (columns_.count() + 1) - 1;
      const int64_t s = index / lanes / (columns_.count() + 1);
      Sum sum, size;
      for (int64_t l = s == 0 ? 0 : args.ends[s - 1]; l < args.ends[s]; ++l) {
        const double value = c < 0 ? 1.0 : columns_.at(c, l);
        sum.add(resampled_.weight(l, lane) * value);
        size.add(resampled_.weight(l, lane) * std::fabs(value));
      }
      compare.near("sum", index, args.sums[index], sum.value(), 1e-13, size.value());
    }
    return compare.text();
  }

  uint64_t fingerprint() const override {
    return digest(ends_.data(), ends_.bytes(), resampled_.fingerprint() ^ columns_.fingerprint());
  }
  uint64_t checksum() const override { return digest(sums_.data(), sums_.bytes()); }

 private:
  ResampleSumsArgs arguments() const {
    return {resampled_.view(), columns_.view(), columns_.count(), ends_.as<int64_t>(), sums_.as<double>()};
  }

  Resampled resampled_;
  int64_t ranges_;
  Columns columns_;
  Buffer ends_;
  Buffer sums_;
  Buffer scratch_;
};

class RisksCase : public Case {
 public:
  RisksCase(const ResampleShape& shape, int64_t ties, Placement placement)
      : resampled_(shape, placement),
        ties_(ties),
        wrong_(shape.items, 1, placement),
        ends_(ties, 8, placement),
        risks_(4 * shape.lanes, 8, placement) {
    Random random(static_cast<uint64_t>(ties));
    for (int64_t l = 0; l < shape.items; ++l) wrong_.as<uint8_t>()[l] = random.below(5) == 0;
    if (ties == shape.items) {
      for (int64_t t = 0; t < ties; ++t) ends_.as<int64_t>()[t] = t + 1;
    } else {
      fill_ends(random, shape.items, ends_);
    }
  }

  void run(const Kernels& kernels) override {
    const ResampleRisksArgs args{resampled_.view(), wrong_.as<uint8_t>(), ends_.as<int64_t>(), ties_,
                                 risks_.as<double>()};
    for (int64_t lane = 0; lane < resampled_.lanes(); lane += kLanes) kernels.resample_risks(args, lane);
  }

  std::string difference() const override {
    Comparison compare;
    const int64_t lanes = resampled_.lanes();
    for (int64_t lane = 0; lane < lanes; ++lane) {
      double before = 0.0, errors = 0.0;
      Sum selective, joint;
      int64_t l = 0;
      for (int64_t t = 0; t < ties_; ++t) {
        double size = 0.0, wrong = 0.0;
        for (; l < ends_.as<int64_t>()[t]; ++l) {
          size += resampled_.weight(l, lane);
          wrong += wrong_.as<uint8_t>()[l] ? resampled_.weight(l, lane) : 0.0;
        }
        double span = 0.0;
        for (double rank = before + 1.0; rank <= before + size; rank += 1.0) span += 1.0 / rank;
        if (size > 0.0) selective.add(wrong + (errors - before * wrong / size) * span);
        joint.add(size * errors + size * wrong / 2);
        before += size;
        errors += wrong;
      }
      const double* risks = risks_.as<double>() + lane;
      compare.exact("samples", lane, risks[0], before);
      compare.exact("errors", lane, risks[lanes], errors);
      compare.near("selective risk", lane, risks[2 * lanes], selective.value(), 1e-11);
      compare.near("joint risk", lane, risks[3 * lanes], joint.value(), 1e-12);
    }
    return compare.text();
  }

  uint64_t fingerprint() const override {
    return digest(ends_.data(), ends_.bytes(),
                  digest(wrong_.data(), wrong_.bytes(), resampled_.fingerprint()));
  }
  uint64_t checksum() const override { return digest(risks_.data(), risks_.bytes()); }

 private:
  Resampled resampled_;
  int64_t ties_;
  Buffer wrong_;
  Buffer ends_;
  Buffer risks_;
};

void add_draws(Entries& entries, int64_t samples, bool gated) {
  entries.push_back({"count_draws/" + std::to_string(samples), gated,
                     [=](Placement placement, int64_t divisor) -> std::unique_ptr<Case> {
                       return std::make_unique<DrawsCase>(std::max<int64_t>(1, samples / divisor), placement);
                     }});
}

void add_sums(Entries& entries, const ResampleShape& shape, int64_t columns, int64_t ranges, bool gated) {
  const std::string name = "resample_sums/" + shape.name() + "_columns" + std::to_string(columns) +
                           "_ranges" + std::to_string(ranges);
  entries.push_back({name, gated, [=](Placement placement, int64_t divisor) -> std::unique_ptr<Case> {
                       return std::make_unique<SumsCase>(divided(shape, divisor), columns, ranges, placement);
                     }});
}

void add_risks(Entries& entries, const ResampleShape& shape, int64_t items_of_tie, bool gated) {
  const std::string name = "resample_risks/" + shape.name() + "_tie" + std::to_string(items_of_tie);
  entries.push_back({name, gated, [=](Placement placement, int64_t divisor) -> std::unique_ptr<Case> {
                       const ResampleShape part = divided(shape, divisor);
                       const int64_t ties = (part.items + items_of_tie - 1) / items_of_tie;
                       return std::make_unique<RisksCase>(part, ties, placement);
                     }});
}

}  // namespace

void add_resample(Entries& entries) {
  add_draws(entries, 10000, true);
  add_sums(entries, {4096, 4096, 16, false}, 7, 15, true);
  add_sums(entries, {2048, 4096, 16, true}, 1, 1000, true);
  // Ranks within the table of harmonic numbers, and beyond it.
  add_risks(entries, {8192, 8192, 16, true}, 1, true);
  add_risks(entries, {8192, 8192, 16, true}, 20, true);
  for (const int64_t samples : {1, 2, 7, 8, 9, 63, 64, 65, 1000}) {
    add_draws(entries, samples, false);
    for (const bool placed : {false, true}) {
      const int64_t items = placed ? 2 * samples + 1 : samples;
      for (const int64_t columns : {0, 1, 4, 9}) {
        add_sums(entries, {samples, items, 32, placed}, columns, samples % 4 + 1, false);
      }
      for (const int64_t tie : {1, 3}) add_risks(entries, {samples, items, 32, placed}, tie, false);
    }
  }
}

}  // namespace calibench::perf
