// A matrix of scores with labels, of any type and layout. It also
// gives its rows in float64, for the definition.
#pragma once

#include "../core/scores.h"
#include "inputs.h"

namespace calibench::perf {

enum class Layout {
  kRows,        // contiguous
  kPadded,      // a gap of three elements between rows, as in a slice of a wider matrix
  kColumns,     // column-major, with a gap of one element between columns
  kEverySecond  // every second class of a wider matrix
};

inline const char* name_of(Layout layout) {
  switch (layout) {
    case Layout::kPadded:
      return "padded";
    case Layout::kColumns:
      return "columns";
    case Layout::kEverySecond:
      return "second";
    default:
      return "";
  }
}

// The fault in two of the rows.
enum class Fault { kNone, kScore, kLabel };

struct MatrixSpec {
  int64_t rows;
  int64_t classes;
  ScoreType type = ScoreType::kFloat32;
  Rows kind = Rows::kPlain;
  Layout layout = Layout::kRows;
  Fault fault = Fault::kNone;

  bool from_probs() const { return kind == Rows::kProbs; }
  LabelType label_type() const {  // narrower types come with the rarer layouts, so that all are tested
    if (classes > 256) return LabelType::kInt64;
    return layout == Layout::kColumns  ? LabelType::kUInt8
           : layout == Layout::kPadded ? LabelType::kInt32
                                       : LabelType::kInt64;
  }
  std::string name() const {
    std::string text = std::to_string(rows) + "x" + std::to_string(classes) + "_" + name_of(type);
    if (kind != Rows::kPlain) text += std::string("_") + name_of(kind);
    if (layout != Layout::kRows) text += std::string("_") + name_of(layout);
    if (fault != Fault::kNone) text += fault == Fault::kScore ? "_nan" : "_label";
    return text;
  }
};

class Matrix {
 public:
  Matrix() = default;
  Matrix(const MatrixSpec& spec, Placement placement) : spec_(spec) {
    const int64_t N = spec.rows, K = spec.classes;
    row_stride_ = spec.layout == Layout::kRows      ? K
                  : spec.layout == Layout::kPadded  ? K + 3
                  : spec.layout == Layout::kColumns ? 1
                                                    : 2 * K;
    class_stride_ = spec.layout == Layout::kColumns ? N + 1 : spec.layout == Layout::kEverySecond ? 2 : 1;
    label_stride_ = spec.layout == Layout::kRows ? 1 : 3;
    const int64_t last = N > 0 ? (N - 1) * row_stride_ + (K - 1) * class_stride_ + 1 : 0;
    scores_ = Buffer(last, size_of(spec.type), placement);
    const size_t label_size = spec.label_type() == LabelType::kUInt8   ? 1
                              : spec.label_type() == LabelType::kInt32 ? 4
                                                                       : 8;
    labels_ = Buffer(N > 0 ? (N - 1) * label_stride_ + 1 : 0, label_size, placement);
    Random random(static_cast<uint64_t>(N * 1000003 + K));
    std::vector<double> row(static_cast<size_t>(K));
    for (int64_t i = 0; i < N; ++i) {
      const int64_t label = random.below(K);
      fill_row(random, spec.kind, label, row);
      for (int64_t j = 0; j < K; ++j) put(scores_, spec.type, at(i, j), row[static_cast<size_t>(j)]);
      put_label(i, label);
    }
    // Two bad rows, to catch a kernel that does not report the lowest.
    for (const int64_t bad : {2 * N / 3, N - 1}) {
      if (spec.fault == Fault::kScore) put(scores_, spec.type, at(bad, bad % K), NAN);
      if (spec.fault == Fault::kLabel) put_label(bad, K);
    }
  }

  const MatrixSpec& spec() const { return spec_; }
  Scores view() const {
    return {scores_.data(), spec_.type, spec_.rows, spec_.classes, row_stride_, class_stride_};
  }
  LabelView labels() const { return {labels_.data(), label_stride_, spec_.label_type()}; }
  int64_t label(int64_t i) const { return labels().at(i); }
  // Row i in float64, contiguous.
  std::vector<double> row(int64_t i) const {
    std::vector<double> out(static_cast<size_t>(spec_.classes));
    for (int64_t j = 0; j < spec_.classes; ++j)
      out[static_cast<size_t>(j)] = get(scores_, spec_.type, at(i, j));
    return out;
  }
  uint64_t fingerprint() const {
    return digest(labels_.data(), labels_.bytes(), digest(scores_.data(), scores_.bytes()));
  }
  // The tolerance for sums: 1e-12 for float64, 1e-6 for narrower types.
  double tolerance() const { return spec_.type == ScoreType::kFloat64 ? 1e-12 : 1e-6; }

 private:
  int64_t at(int64_t i, int64_t j) const { return i * row_stride_ + j * class_stride_; }
  void put_label(int64_t i, int64_t label) {
    switch (spec_.label_type()) {
      case LabelType::kUInt8:
        labels_.as<uint8_t>()[i * label_stride_] = static_cast<uint8_t>(label);
        break;
      case LabelType::kInt32:
        labels_.as<int32_t>()[i * label_stride_] = static_cast<int32_t>(label);
        break;
      default:
        labels_.as<int64_t>()[i * label_stride_] = label;
    }
  }

  MatrixSpec spec_{};
  Buffer scores_;
  Buffer labels_;
  int64_t row_stride_ = 0;
  int64_t class_stride_ = 0;
  int64_t label_stride_ = 1;
};

}  // namespace calibench::perf
