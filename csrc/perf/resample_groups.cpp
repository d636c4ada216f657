// Resamples side by side: sums over groups of equally many draws, and over cells of classes; and the gaps of
// drawn labels. All are compared with a loop over one resample or one draw.
#include "resampled.h"

namespace calibench::perf {
namespace {

class GroupsCase : public Case {
 public:
  GroupsCase(const ResampleShape& shape, int64_t groups, Placement placement)
      : resampled_(shape, placement),
        groups_(groups),
        values_(shape.items, 2, placement),
        ends_(groups * shape.lanes, 8, placement),
        sums_(groups * shape.lanes, 8, placement) {
    for (int64_t lane = 0; lane < shape.lanes; ++lane) {
      int64_t drawn = 0;
      for (int64_t l = 0; l < shape.items; ++l) drawn += static_cast<int64_t>(resampled_.weight(l, lane));
      for (int64_t g = 0; g < groups; ++g) {
        ends_.as<double>()[g * shape.lanes + lane] = static_cast<double>((g + 1) * drawn / groups);
      }
    }
  }

  void run(const Kernels& kernels) override {
    const GroupSumArgs args{resampled_.view(),  values_.view(), values_.count(),   resampled_.items(),
                            ends_.as<double>(), groups_,        sums_.as<double>()};
    for (int64_t lane = 0; lane < resampled_.lanes(); lane += 8) kernels.group_sums(args, lane);
  }

  std::string difference() const override {
    Comparison compare;
    const int64_t lanes = resampled_.lanes();
    for (int64_t lane = 0; lane < lanes; ++lane) {
      std::vector<Sum> sums(static_cast<size_t>(groups_)), sizes(static_cast<size_t>(groups_));
      int64_t g = 0;
      double drawn = 0.0;
      for (int64_t l = 0; l < resampled_.items(); ++l) {
        for (double copy = 0.0; copy < resampled_.weight(l, lane); ++copy, ++drawn) {
          while (g + 1 < groups_ && drawn >= ends_.as<double>()[g * lanes + lane]) ++g;
          const double value = values_.at(0, l) + values_.at(1, l);
          sums[static_cast<size_t>(g)].add(value);
          sizes[static_cast<size_t>(g)].add(std::fabs(value));
        }
      }
      for (int64_t group = 0; group < groups_; ++group) {
        const int64_t index = group * lanes + lane;
        const double scale = sizes[static_cast<size_t>(group)].value() + 10.0;  // an item is divided
        compare.near("sum", index, sums_.as<double>()[index], sums[static_cast<size_t>(group)].value(), 1e-13,
                     scale);
      }
    }
    return compare.text();
  }

  uint64_t fingerprint() const override {
    return digest(ends_.data(), ends_.bytes(), resampled_.fingerprint() ^ values_.fingerprint());
  }
  uint64_t checksum() const override { return digest(sums_.data(), sums_.bytes()); }

 private:
  Resampled resampled_;
  int64_t groups_;
  Columns values_;
  Buffer ends_;
  Buffer sums_;
};

// The entries are items with places.
class ClassErrorsCase : public Case {
 public:
  ClassErrorsCase(const ResampleShape& shape, int64_t classes, int64_t bins, Placement placement)
      : entries_(shape, placement),
        classes_(classes),
        bins_(bins),
        gaps_(shape.items, 4, placement),
        cell_ends_(classes * bins, 8, placement),
        totals_(classes * shape.lanes, 8, placement),
        errors_(shape.lanes, 8, placement) {
    Random random(static_cast<uint64_t>(classes * bins));
    for (int64_t e = 0; e < shape.items; ++e) {
      gaps_.as<int32_t>()[e] = static_cast<int32_t>(random.below(INT32_MAX) - (1 << kFixedBits));
    }
    fill_ends(random, shape.items, cell_ends_);
    for (int64_t k = 0; k < classes; ++k) {  // bin 0 has no entries
      cell_ends_.as<int64_t>()[k * bins] = k == 0 ? 0 : cell_ends_.as<int64_t>()[k * bins - 1];
    }
    if (bins == 1) std::fill(cell_ends_.as<int64_t>(), cell_ends_.as<int64_t>() + classes, 0);
    for (int64_t i = 0; i < classes * shape.lanes; ++i) {
      totals_.as<double>()[i] = (random.uniform() - 0.5) * static_cast<double>(shape.samples);
    }
  }

  void run(const Kernels& kernels) override {
    const ClassErrorArgs args{entries_.view(), gaps_.as<int32_t>(),  cell_ends_.as<int64_t>(), classes_,
                              bins_,           totals_.as<double>(), errors_.as<double>()};
    for (int64_t lane = 0; lane < entries_.lanes(); lane += kLanes) kernels.class_errors(args, lane);
  }

  std::string difference() const override {
    Comparison compare;
    const int64_t lanes = entries_.lanes();
    for (int64_t lane = 0; lane < lanes; ++lane) {
      Sum error;
      for (int64_t k = 0; k < classes_; ++k) {
        Sum rest;
        rest.add(totals_.as<double>()[k * lanes + lane]);
        for (int64_t cell = k * bins_; cell < (k + 1) * bins_; ++cell) {
          Sum gap;
          for (int64_t e = cell == 0 ? 0 : cell_ends_.as<int64_t>()[cell - 1];
               e < cell_ends_.as<int64_t>()[cell]; ++e) {
            gap.add(entries_.weight(e, lane) * std::ldexp(gaps_.as<int32_t>()[e], -kFixedBits));
          }
          rest.add(-gap.value());
          error.add(std::fabs(gap.value()));
        }
        error.add(std::fabs(rest.value()));
      }
      compare.near("error", lane, errors_.as<double>()[lane], error.value(), 1e-12);
    }
    return compare.text();
  }

  uint64_t fingerprint() const override {
    uint64_t hash = entries_.fingerprint();
    for (const Buffer* input : {&gaps_, &cell_ends_, &totals_}) {
      hash = digest(input->data(), input->bytes(), hash);
    }
    return hash;
  }
  uint64_t checksum() const override { return digest(errors_.data(), errors_.bytes()); }

 private:
  Resampled entries_;
  int64_t classes_;
  int64_t bins_;
  Buffer gaps_;
  Buffer cell_ends_;
  Buffer totals_;
  Buffer errors_;
};

class GapSizesCase : public Case {
 public:
  GapSizesCase(int64_t cells, int64_t lanes, Placement placement)
      : cells_(cells),
        lanes_(lanes),
        labels_(cells * lanes, 4, placement),
        offset_(cells, 8, placement),
        factor_(cells, 8, placement),
        sizes_(lanes, 8, placement) {
    Random random(static_cast<uint64_t>(cells));
    fill_bells(random, offset_);
    fill_bells(random, factor_);
    for (int64_t i = 0; i < cells * lanes; ++i) {
      labels_.as<int32_t>()[i] = static_cast<int32_t>(random.below(i % 7 == 0 ? INT32_MAX : 9));
    }
  }

  void run(const Kernels& kernels) override {
    for (int64_t lane = 0; lane < lanes_; lane += 8) {
      kernels.gap_sizes(labels_.as<int32_t>(), cells_, lanes_, offset_.as<double>(), factor_.as<double>(),
                        lane, sizes_.as<double>());
    }
  }

  std::string difference() const override {
    Comparison compare;
    for (int64_t lane = 0; lane < lanes_; ++lane) {
      Sum size;
      for (int64_t c = 0; c < cells_; ++c) {
        const double count = labels_.as<int32_t>()[c * lanes_ + lane];
        size.add(std::fabs(offset_.as<double>()[c] - factor_.as<double>()[c] * count));
      }
      compare.near("size", lane, sizes_.as<double>()[lane], size.value(), 1e-12);
    }
    return compare.text();
  }

  uint64_t fingerprint() const override {
    return digest(labels_.data(), labels_.bytes(), digest(offset_.data(), offset_.bytes()));
  }
  uint64_t checksum() const override { return digest(sizes_.data(), sizes_.bytes()); }

 private:
  int64_t cells_;
  int64_t lanes_;
  Buffer labels_;
  Buffer offset_;
  Buffer factor_;
  Buffer sizes_;
};

void add_groups(Entries& entries, const ResampleShape& shape, int64_t groups, bool gated) {
  const std::string name = "group_sums/" + shape.name() + "_groups" + std::to_string(groups);
  entries.push_back({name, gated, [=](Placement placement, int64_t divisor) -> std::unique_ptr<Case> {
                       return std::make_unique<GroupsCase>(divided(shape, divisor), groups, placement);
                     }});
}

void add_class_errors(Entries& entries, const ResampleShape& shape, int64_t classes, int64_t bins,
                      bool gated) {
  const std::string name =
      "class_errors/" + shape.name() + "_classes" + std::to_string(classes) + "_bins" + std::to_string(bins);
  entries.push_back({name, gated, [=](Placement placement, int64_t divisor) -> std::unique_ptr<Case> {
                       const int64_t fewer = std::max<int64_t>(1, classes / divisor);
                       return std::make_unique<ClassErrorsCase>(divided(shape, divisor), fewer, bins,
                                                                placement);
                     }});
}

void add_gap_sizes(Entries& entries, int64_t cells, int64_t lanes, bool gated) {
  const std::string name = "gap_sizes/" + std::to_string(cells) + "x" + std::to_string(lanes);
  entries.push_back({name, gated, [=](Placement placement, int64_t divisor) -> std::unique_ptr<Case> {
                       const int64_t fewer = cells == 0 ? 0 : std::max<int64_t>(1, cells / divisor);
                       return std::make_unique<GapSizesCase>(fewer, lanes, placement);
                     }});
}

}  // namespace

void add_resample_groups(Entries& entries) {
  add_groups(entries, {4096, 4096, 16, true}, 15, true);
  add_class_errors(entries, {2048, 8192, 16, true}, 10, 15, true);
  add_class_errors(entries, {2048, 4096, 16, true}, 1000, 15, true);
  add_gap_sizes(entries, 150, 256, true);
  add_gap_sizes(entries, 15000, 8, true);
  for (const int64_t samples : {1, 2, 9, 64, 301}) {
    for (const bool placed : {false, true}) {
      const int64_t items = placed ? 2 * samples + 1 : samples;
      for (const int64_t groups : {1, 2, 15})
        add_groups(entries, {samples, items, 32, placed}, groups, false);
    }
    for (const int64_t bins : {1, 2, 15}) {
      add_class_errors(entries, {samples, 2 * samples, 32, true}, samples % 4 + 1, bins, false);
    }
    add_gap_sizes(entries, samples, 24, false);
  }
  add_gap_sizes(entries, 0, 8, false);
}

}  // namespace calibench::perf
