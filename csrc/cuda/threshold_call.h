// What the three threshold ops share on torch's side.
#pragma once

#include "call.h"
#include "thresholds.h"

namespace calibench {

// NaN among thresholds is not looked for: that would wait for the device. Nothing passes one.
inline Scores check_threshold_inputs(const Tensor& logits, const Tensor& thresholds) {
  const Scores scores = check_scores(logits);
  check_vector(thresholds, logits, "thresholds", scores.classes, 1);
  check_classes(logits);
  return scores;
}

// `scratch` holds thresholds_bytes.
inline Thresholds device_thresholds(const Tensor& thresholds, bool strict, const Tensor& scratch) {
  unsigned char* room = data<unsigned char>(scratch);
  const int64_t count = thresholds.numel();
  return {static_cast<const double*>(thresholds.const_data_ptr()),
          count == 1 ? 0 : thresholds.stride(0),
          count,
          strict,
          reinterpret_cast<Bounds*>(room + kSmallestBytes),
          reinterpret_cast<double*>(room)};
}

using MakeSets = cudaError_t (*)(const Scores&, const Thresholds&, uint8_t*, int64_t*, int64_t*,
                                 cudaStream_t);

inline std::tuple<Tensor, Tensor, Tensor> call_sets(const char* what, MakeSets make, const Tensor& logits,
                                                    const Tensor& thresholds, bool strict) {
  const Scores scores = check_threshold_inputs(logits, thresholds);
  const Call call(logits);
  Tensor sets = new_tensor<2>(logits, {scores.rows, scores.classes}, ScalarType::Bool);
  Tensor sizes = new_tensor<1>(logits, {scores.rows}, ScalarType::Long);
  Tensor fault = new_fault(logits);
  Tensor scratch = new_scratch(logits, thresholds_bytes(thresholds.numel()));
  cuda_check(make(scores, device_thresholds(thresholds, strict, scratch), data<uint8_t>(sets),
                  data<int64_t>(sizes), data<int64_t>(fault), call.stream),
             what);
  return {sets, sizes, fault};
}

}  // namespace calibench
