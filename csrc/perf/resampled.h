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

// Columns of items, of every type in turn.
class Columns {
 public:
  Columns(int64_t items, int64_t count, Placement placement) : count_(count) {
    Random random(static_cast<uint64_t>(items * 31 + count));
    for (int64_t c = 0; c < count; ++c) {
      const NumberType type = static_cast<NumberType>(c % 4);
      const int64_t size = type == NumberType::kFloat64 ? 8 : type == NumberType::kBool ? 1 : 4;
      numbers_.push_back(std::make_unique<Buffer>(items * size, size, placement));
      Buffer& numbers = *numbers_.back();
      for (int64_t l = 0; l < items; ++l) {
        const double value = random.bell();
        if (type == NumberType::kFloat64) numbers.as<double>()[l] = value;
        if (type == NumberType::kFloat32) numbers.as<float>()[l] = static_cast<float>(value);
        if (type == NumberType::kFixed)
          numbers.as<int32_t>()[l] = static_cast<int32_t>(std::ldexp(value, 27));
        if (type == NumberType::kBool) numbers.as<uint8_t>()[l] = value > 0.0;
      }
      columns_.push_back({numbers.data(), type});
    }
  }
  const Column* view() const { return columns_.data(); }
  int64_t count() const { return count_; }
  double at(int64_t c, int64_t l) const {
    const Buffer& numbers = *numbers_[static_cast<size_t>(c)];
    switch (columns_[static_cast<size_t>(c)].type) {
      case NumberType::kFloat64:
        return numbers.as<double>()[l];
      case NumberType::kFloat32:
        return numbers.as<float>()[l];
      case NumberType::kFixed:
        return std::ldexp(numbers.as<int32_t>()[l], -kFixedBits);
      default:
        return numbers.as<uint8_t>()[l];
    }
  }
  uint64_t fingerprint() const {
    uint64_t print = 0;
    for (const auto& numbers : numbers_) print = digest(numbers->data(), numbers->bytes(), print);
    return print;
  }

 private:
  int64_t count_;
  std::vector<std::unique_ptr<Buffer>> numbers_;
  std::vector<Column> columns_;
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
