// Registers sigmoid_threshold on CUDA: checks the tensors, allocates
// the outputs and calls sigmoid_threshold.cu.
#include "sigmoid_threshold.h"

#include "threshold_call.h"

namespace calibench {
namespace {

std::tuple<Tensor, Tensor, Tensor> sigmoid_threshold(const Tensor& logits, const Tensor& thresholds,
                                                     bool strict) {
  return call_sets("sigmoid_threshold", sigmoid_sets, logits, thresholds, strict);
}

}  // namespace
}  // namespace calibench

STABLE_TORCH_LIBRARY_IMPL(calibench, CUDA, m) {
  m.impl("sigmoid_threshold", TORCH_BOX(&calibench::sigmoid_threshold));
}
