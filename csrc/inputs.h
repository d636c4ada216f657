// Checks an op's tensor arguments and allocates its outputs; shared by cpu/ and cuda/. Python checks the same
// arguments first and adds hints. These checks guard direct callers of torch.ops, calibench._C and C++.
#pragma once

#include <array>
#include <tuple>

#include "check.h"
#include "core/calibration_stats.h"
#include "core/classwise_stats.h"
#include "door.h"

namespace calibench {

// With more bins, the 3 M doubles of each chunk would no longer be small. Nobody needs more.
constexpr int64_t kMaxBins = int64_t{1} << 24;

inline ScoreType score_type(const Tensor& scores) {
  switch (scores.scalar_type()) {
    case ScalarType::Double:
      return ScoreType::kFloat64;
    case ScalarType::Float:
      return ScoreType::kFloat32;
    case ScalarType::BFloat16:
      return ScoreType::kBFloat16;
    case ScalarType::Half:
      return ScoreType::kFloat16;
    default:
      fail("scores have type ", type_name(scores), ", not float64, float32, bfloat16 or float16");
  }
}

inline LabelType label_type(const Tensor& labels) {
  switch (labels.scalar_type()) {
    case ScalarType::Long:
      return LabelType::kInt64;
    case ScalarType::Int:
      return LabelType::kInt32;
    case ScalarType::Byte:
      return LabelType::kUInt8;
    default:
      fail("labels have type ", type_name(labels), ", not int64, int32 or uint8");
  }
}

inline Scores check_scores(const Tensor& scores) {
  CALIBENCH_CHECK(scores.dim() == 2, "scores have ", scores.dim(), " dimensions, not 2: [N, K]");
  CALIBENCH_CHECK(scores.size(1) >= 1, "scores have no classes: [N, K] with K >= 1");
  return {scores.const_data_ptr(), score_type(scores), scores.size(0),
          scores.size(1),          scores.stride(0),   scores.stride(1)};
}

inline LabelView check_labels(const Tensor& labels, const Tensor& scores) {
  CALIBENCH_CHECK(labels.dim() == 1, "labels have ", labels.dim(), " dimensions, not 1: [N]");
  CALIBENCH_CHECK(labels.size(0) == scores.size(0), scores.size(0), " rows of scores and ", labels.size(0),
                  " labels");
  CALIBENCH_CHECK(same_device(scores, labels), "scores and labels are on different devices");
  return {labels.const_data_ptr(), labels.stride(0), label_type(labels)};
}

inline void check_bins(int64_t bins) {
  CALIBENCH_CHECK(bins >= 1 && bins <= kMaxBins, "bins is ", bins, ", not in [1, ", kMaxBins, "]");
}

inline CalibrationArgs check_inputs(const Tensor& scores, const Tensor& labels, int64_t bins,
                                    bool from_probs) {
  const Scores x = check_scores(scores);
  const LabelView y = check_labels(labels, scores);
  check_bins(bins);
  return {x.data, x.type, x.rows, x.classes, x.row_stride, x.class_stride, y, bins, from_probs};
}

// `values` must be a float64 vector of length `length` or
// `or_length`, of any stride, on the device of `scores`.
inline void check_vector(const Tensor& values, const Tensor& scores, const char* name, int64_t length,
                         int64_t or_length) {
  CALIBENCH_CHECK(values.scalar_type() == ScalarType::Double, name, " are not float64");
  CALIBENCH_CHECK(values.dim() == 1 && (values.size(0) == length || values.size(0) == or_length), name,
                  " have the wrong shape: [", length, "] expected");
  CALIBENCH_CHECK(same_device(values, scores), name, " and scores are on different devices");
}

// `edges` is empty (equal-width bins), [M - 1] or [K, M - 1]. Returns the stride between the edges of two
// neighbouring classes: 0 if all classes share them.
inline int64_t check_edges(const Tensor& edges, const Tensor& scores, int64_t bins) {
  CALIBENCH_CHECK(edges.scalar_type() == ScalarType::Double && edges.is_contiguous(),
                  "edges are not contiguous float64");
  CALIBENCH_CHECK(same_device(edges, scores), "edges and scores are on different devices");
  const bool shared = edges.dim() == 1 && (edges.size(0) == bins - 1 || edges.size(0) == 0);
  const bool per_class = edges.dim() == 2 && edges.size(0) == scores.size(1) && edges.size(1) == bins - 1;
  CALIBENCH_CHECK(shared || per_class, "edges have the wrong shape: [M - 1] or [K, M - 1] expected");
  return per_class ? bins - 1 : 0;
}

// All but `first_edges`.
inline ClasswiseArgs check_classwise_inputs(const Tensor& scores, const Tensor& labels, const Tensor& edges,
                                            int64_t bins, bool from_probs, double threshold) {
  ClasswiseArgs args{};
  args.scores = check_scores(scores);
  args.labels = check_labels(labels, scores);
  check_bins(bins);
  args.edges_stride = check_edges(edges, scores, bins);
  args.edges = edges.numel() == 0 ? nullptr : static_cast<const double*>(edges.const_data_ptr());
  args.bins = bins;
  args.from_probs = from_probs;
  args.threshold = threshold;
  return args;
}

inline void check_state(const Tensor& state, const Tensor& fault, const Tensor& scores, int64_t bins) {
  CALIBENCH_CHECK(state.scalar_type() == ScalarType::Double && state.is_contiguous() && state.dim() == 2 &&
                      state.size(0) == bins + 2 && state.size(1) == kStateColumns,
                  "the state is not a contiguous float64 [M + 2, 4]");
  CALIBENCH_CHECK(fault.scalar_type() == ScalarType::Long && fault.is_contiguous() && fault.dim() == 1 &&
                      fault.size(0) == 2,
                  "the fault is not a contiguous int64 [2]");
  CALIBENCH_CHECK(same_device(state, scores) && same_device(fault, scores),
                  "the state, its fault and the scores are on different devices");
}

inline void check_bootstrap_inputs(const Tensor& confidence, const Tensor& correct, int64_t bins,
                                   int64_t resamples) {
  CALIBENCH_CHECK(confidence.scalar_type() == ScalarType::Double && confidence.dim() == 1,
                  "confidence is not float64 [N]");
  CALIBENCH_CHECK(correct.scalar_type() == ScalarType::Bool && correct.dim() == 1 &&
                      correct.size(0) == confidence.size(0) && same_device(confidence, correct),
                  "correct is not bool [N] on the device of confidence");
  CALIBENCH_CHECK(resamples >= 0, "resamples is ", resamples, ", not at least 0");
  check_bins(bins);
}

inline Tensor new_float64(const Tensor& like, std::array<int64_t, 2> size) {
  return new_tensor(like, size, ScalarType::Double);
}

inline Tensor new_float64(const Tensor& like, int64_t size) {
  return new_tensor<1>(like, {size}, ScalarType::Double);
}

// An uninitialised int64 [2]: the code of the lowest bad row (kNoBadRow if there is none), and its label.
inline Tensor new_fault(const Tensor& like) { return new_tensor<1>(like, {2}, ScalarType::Long); }

template <typename T>
T* data(const Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

// Fails with the sentence that calibench.kernels turns into an InputError. The Python reference raises the
// same sentence, word for word.
[[noreturn]] inline void fail_row(int64_t code, int64_t label, int64_t classes) {
  const int64_t row = bad_row_index(code);
  switch (bad_row_status(code)) {
    case RowStatus::kNonFinite:
      fail("row ", row, ": a score is NaN or infinite");
    case RowStatus::kLabel:
      fail("row ", row, ": the label is ", label, ", outside [0, ", classes, ")");
    default:
      fail("row ", row, ": a probability lies outside [0, 1]");
  }
}

}  // namespace calibench
