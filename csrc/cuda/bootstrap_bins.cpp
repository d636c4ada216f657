// Registers bootstrap_bins on CUDA: checks the tensors, allocates the outputs and calls bootstrap_bins.cu.
#include "bootstrap_bins.h"

#include "call.h"
#include "sort.h"

namespace calibench {
namespace {

std::tuple<Tensor, Tensor> bootstrap_bins(const Tensor& confidence, const Tensor& correct, int64_t bins,
                                          int64_t resamples, int64_t seed) {
  check_bootstrap_inputs(confidence, correct, bins, resamples);
  CALIBENCH_CHECK(confidence.size(0) <= kMaxSamples, "on CUDA, at most ", kMaxSamples,
                  " samples are allowed, not ", confidence.size(0));
  const BootstrapInputs inputs{static_cast<const double*>(confidence.const_data_ptr()),
                               confidence.stride(0),
                               static_cast<const uint8_t*>(correct.const_data_ptr()),
                               correct.stride(0),
                               confidence.size(0),
                               bins,
                               resamples,
                               seed};
  const Call call(confidence);
  Tensor sums = new_tensor<3>(confidence, {resamples, 3, bins}, ScalarType::Double);
  Tensor fault = new_fault(confidence);
  Tensor scratch = new_scratch(confidence, bootstrap_bytes(inputs));
  cuda_check(resample(inputs, data<void>(scratch), data<double>(sums), data<int64_t>(fault), call.stream),
             "bootstrap_bins");
  return {sums, fault};
}

}  // namespace
}  // namespace calibench

STABLE_TORCH_LIBRARY_IMPL(calibench, CUDA, m) {
  m.impl("bootstrap_bins", TORCH_BOX(&calibench::bootstrap_bins));
}
