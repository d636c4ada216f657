// Registers softmax_threshold on CUDA: checks the tensors, allocates
// the outputs and calls softmax_threshold.cu.
#include "softmax_threshold.h"

#include "threshold_call.h"

namespace calibench {
namespace {

std::tuple<Tensor, Tensor, Tensor> softmax_threshold(const Tensor& logits, const Tensor& thresholds,
                                                     bool strict) {
  const Scores scores = check_threshold_inputs(logits, thresholds);
  const Call call(logits);
  Tensor prediction = new_tensor<1>(logits, {scores.rows}, ScalarType::Long);
  Tensor confidence = new_float64(logits, scores.rows);
  Tensor fault = new_fault(logits);
  Tensor scratch = new_scratch(logits, thresholds_bytes(thresholds.numel()));
  cuda_check(decide(scores, device_thresholds(thresholds, strict, scratch), data<int64_t>(prediction),
                    data<double>(confidence), data<int64_t>(fault), call.stream),
             "softmax_threshold");
  return {prediction, confidence, fault};
}

}  // namespace
}  // namespace calibench

STABLE_TORCH_LIBRARY_IMPL(calibench, CUDA, m) {
  m.impl("softmax_threshold", TORCH_BOX(&calibench::softmax_threshold));
}
