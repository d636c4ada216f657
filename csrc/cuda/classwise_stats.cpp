// Registers classwise_stats on CUDA: checks the tensors, allocates the outputs and calls classwise_stats.cu.
#include "classwise_stats.h"

#include "call.h"

namespace calibench {
namespace {

std::tuple<Tensor, Tensor> classwise_stats(const Tensor& scores, const Tensor& labels, const Tensor& edges,
                                           int64_t bins, bool from_probs, double threshold) {
  const ClasswiseArgs args = check_classwise_inputs(scores, labels, edges, bins, from_probs, threshold);
  check_classes(scores);
  const Call call(scores);
  Tensor sums = new_tensor<3>(scores, {3, args.scores.classes, bins}, ScalarType::Double);
  Tensor fault = new_fault(scores);
  Tensor scratch = new_scratch(scores, classwise_bytes(args));
  cuda_check(classwise_sums(args, data<void>(scratch), data<double>(sums), data<int64_t>(fault), call.stream),
             "classwise_stats");
  return {sums, fault};
}

}  // namespace
}  // namespace calibench

STABLE_TORCH_LIBRARY_IMPL(calibench, CUDA, m) {
  m.impl("classwise_stats", TORCH_BOX(&calibench::classwise_stats));
}
