// Registers softmax_threshold_sets on CUDA: checks the tensors, allocates the
// outputs and calls softmax_threshold_sets.cu.
#include "softmax_threshold_sets.h"

#include "threshold_call.h"

namespace calibench {
namespace {

std::tuple<Tensor, Tensor, Tensor> softmax_threshold_sets(const Tensor& logits, const Tensor& thresholds,
                                                          bool strict) {
  return call_sets("softmax_threshold_sets", softmax_sets, logits, thresholds, strict);
}

}  // namespace
}  // namespace calibench

STABLE_TORCH_LIBRARY_IMPL(calibench, CUDA, m) {
  m.impl("softmax_threshold_sets", TORCH_BOX(&calibench::softmax_threshold_sets));
}
