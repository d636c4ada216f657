// Registers nll_curve on CUDA: checks the tensors, allocates the outputs and calls nll_curve.cu.
#include "nll_curve.h"

#include "call.h"

namespace calibench {
namespace {

std::tuple<Tensor, Tensor> nll_curve(const Tensor& logits, const Tensor& labels,
                                     const Tensor& log_temperatures) {
  const int64_t points = log_temperatures.numel();
  check_vector(log_temperatures, logits, "log temperatures", points, points);
  const CurveInputs inputs{check_scores(logits), check_labels(labels, logits),
                           static_cast<const double*>(log_temperatures.const_data_ptr()),
                           log_temperatures.stride(0), points};
  check_classes(logits);
  const Call call(logits);
  Tensor curve = new_float64(logits, {3, points});
  Tensor fault = new_fault(logits);
  Tensor scratch = new_scratch(logits, curve_bytes(inputs));
  cuda_check(sum_curve(inputs, data<void>(scratch), data<double>(curve), data<int64_t>(fault), call.stream),
             "nll_curve");
  return {curve, fault};
}

}  // namespace
}  // namespace calibench

STABLE_TORCH_LIBRARY_IMPL(calibench, CUDA, m) { m.impl("nll_curve", TORCH_BOX(&calibench::nll_curve)); }
