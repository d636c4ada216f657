// Counts of resamples and the places of items among the samples, for the cases of the resampling kernels.
#pragma once

#include "../core/resample.h"
#include "case.h"

namespace calibench::perf {

struct ResampleShape {
  int64_t samples;
  int64_t items;
  int64_t lanes;
  bool placed;  // items have places; else item l has the counts of sample l

  std::string name() const {
    return std::to_string(samples) + "x" + std::to_string(lanes) +
           (placed ? "_places" + std::to_string(items) : "");
  }
};

inline ResampleShape divided(ResampleShape shape, int64_t divisor) {
  if (divisor > 1) shape.samples = std::max<int64_t>(1, shape.samples / divisor);
  if (divisor > 1) shape.items = std::max<int64_t>(1, shape.items / divisor);
  return shape;
}

// Counts [n, P] of n draws in each lane, and places [L] of the items.
class Resampled {
 public:
  Resampled(const ResampleShape& shape, Placement placement)
      : shape_(shape),
        counts_(shape.samples * shape.lanes, 1, placement),
        places_(shape.placed ? shape.items : 0, 4, placement) {
    Random random(static_cast<uint64_t>(shape.samples * 7 + shape.lanes));
    for (int64_t draw = 0; draw < shape.samples * shape.lanes; ++draw) {
      ++counts_.as<uint8_t>()[random.below(shape.samples) * shape.lanes + draw % shape.lanes];
    }
    for (int64_t l = 0; shape.placed && l < shape.items; ++l) {
      places_.as<int32_t>()[l] = static_cast<int32_t>(random.below(shape.samples));
    }
  }

  ResampledCounts view() const {
    return {counts_.as<uint8_t>(), shape_.lanes, shape_.placed ? places_.as<int32_t>() : nullptr};
  }
  int64_t lanes() const { return shape_.lanes; }
  int64_t items() const { return shape_.items; }
  double weight(int64_t item, int64_t lane) const { return view().of(item)[lane]; }
  uint64_t fingerprint() const {
    return digest(places_.data(), places_.bytes(), digest(counts_.data(), counts_.bytes()));
  }

 private:
  ResampleShape shape_;
  Buffer counts_;
  Buffer places_;
};

inline void fill_bells(Random& random, Buffer& numbers) {
  for (size_t i = 0; i < numbers.bytes() / 8; ++i) numbers.as<double>()[i] = random.bell();
}

// Rising ends of ranges of `items` items; some ranges are empty.
inline void fill_ends(Random& random, int64_t items, Buffer& ends) {
  int64_t* end = ends.as<int64_t>();
  const int64_t count = static_cast<int64_t>(ends.bytes() / 8);
  for (int64_t s = 0; s < count; ++s) end[s] = s + 1 < count ? random.below(items + 1) : items;
  std::sort(end, end + count);
}

}  // namespace calibench::perf
