// What the CPU and CUDA sides of calibration_stats share on torch's side: checked arguments, outputs, row
// errors.
#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <array>
#include <tuple>

#include "check.h"
#include "core/calibration_stats.h"

namespace calibench {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;
using StatsTensors = std::tuple<Tensor, Tensor, Tensor>;

constexpr int64_t kMaxBins = int64_t{1}
                             << 24;  // beyond it 3 * M doubles a chunk stop being small; nobody needs it

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
      fail("scores have type ", torch::headeronly::toString(scores.scalar_type()),
           ", not float64, float32, bfloat16 or float16");
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
      fail("labels have type ", torch::headeronly::toString(labels.scalar_type()),
           ", not int64, int32 or uint8");
  }
}

// Python checks the same with hints; this guards callers of torch.ops and C++.
inline CalibrationArgs check_inputs(const Tensor& scores, const Tensor& labels, int64_t bins,
                                    bool from_probs) {
  CALIBENCH_CHECK(scores.dim() == 2, "scores have ", scores.dim(), " dimensions, not 2: [N, K]");
  CALIBENCH_CHECK(labels.dim() == 1, "labels have ", labels.dim(), " dimensions, not 1: [N]");
  CALIBENCH_CHECK(scores.size(1) >= 1, "scores have no classes: [N, K] with K >= 1");
  CALIBENCH_CHECK(labels.size(0) == scores.size(0), scores.size(0), " rows of scores and ", labels.size(0),
                  " labels");
  CALIBENCH_CHECK(
      scores.is_cuda() == labels.is_cuda() && scores.get_device_index() == labels.get_device_index(),
      "scores and labels are on different devices");
  CALIBENCH_CHECK(bins >= 1 && bins <= kMaxBins, "bins is ", bins, ", not in [1, ", kMaxBins, "]");
  const LabelView view{labels.const_data_ptr(), labels.stride(0), label_type(labels)};
  return {scores.const_data_ptr(),
          score_type(scores),
          scores.size(0),
          scores.size(1),
          scores.stride(0),
          scores.stride(1),
          view,
          bins,
          from_probs};
}

inline Tensor new_float64(const Tensor& like, std::array<int64_t, 2> size) {
  return torch::stable::new_empty(like, {size.data(), size.size()}, ScalarType::Double);
}

inline Tensor new_float64(const Tensor& like, int64_t size) {
  return torch::stable::new_empty(like, {&size, 1}, ScalarType::Double);
}

// The sentence that calibench.kernels turns into an InputError; its reference says the same word for word.
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
