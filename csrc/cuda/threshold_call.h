// Code that the .cpp files of the three threshold ops share.
#pragma once

#include "call.h"
#include "thresholds.h"

namespace calibench {

// There is no check for NaN in thresholds, because it would wait for the device. No probability passes a NaN.
inline Scores check_threshold_inputs(const Tensor& logits, const Tensor& thresholds) {
  const Scores scores = check_scores(logits);
  check_vector(thresholds, logits, "thresholds", scores.classes, 1);
  check_classes(logits);
  return scores;
}

// Thresholds whose bounds are in `scratch`, which has thresholds_bytes bytes.
inline Thresholds device_thresholds(const Tensor& thresholds, bool strict, const Tensor& scratch) {
  unsigned char* memory = data<unsigned char>(scratch);
  const int64_t count = thresholds.numel();
  return {static_cast<const double*>(thresholds.const_data_ptr()),
          count == 1 ? 0 : thresholds.stride(0),
          count,
          strict,
          reinterpret_cast<Bounds*>(memory + kSmallestBytes),
          reinterpret_cast<double*>(memory)};
}

using ComputeSets = cudaError_t (*)(const Scores&, const Thresholds&, uint8_t*, int64_t*, int64_t*,
                                    cudaStream_t);

inline std::tuple<Tensor, Tensor, Tensor> call_sets(const char* op, ComputeSets compute_sets,
                                                    const Tensor& logits, const Tensor& thresholds,
                                                    bool strict) {
  const Scores scores = check_threshold_inputs(logits, thresholds);
  const Call call(logits);
  Tensor sets = new_tensor<2>(logits, {scores.rows, scores.classes}, ScalarType::Bool);
  Tensor sizes = new_tensor<1>(logits, {scores.rows}, ScalarType::Long);
  Tensor fault = new_fault(logits);
  Tensor scratch = new_scratch(logits, thresholds_bytes(thresholds.numel()));
  cuda_check(compute_sets(scores, device_thresholds(thresholds, strict, scratch), data<uint8_t>(sets),
                          data<int64_t>(sizes), data<int64_t>(fault), call.stream),
             op);
  return {sets, sizes, fault};
}

}  // namespace calibench
