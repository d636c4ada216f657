// bootstrap_bins on CUDA, torch's side.
#include "bootstrap_bins.h"

#include "call.h"
#include "sort.h"

namespace calibench {
namespace {

void check_bootstrap_bins(const Tensor& confidence, const Tensor& correct, int64_t bins, int64_t resamples) {
  CALIBENCH_CHECK(confidence.scalar_type() == ScalarType::Double && confidence.dim() == 1,
                  "confidence is not float64 [N]");
  CALIBENCH_CHECK(correct.scalar_type() == ScalarType::Bool && correct.dim() == 1 &&
                      correct.size(0) == confidence.size(0) && same_device(confidence, correct),
                  "correct is not bool [N] beside the confidences");
  CALIBENCH_CHECK(resamples >= 0, "resamples is ", resamples, ", below 0");
  CALIBENCH_CHECK(confidence.size(0) <= kMostSamples, confidence.size(0), " samples: on CUDA at most ",
                  kMostSamples);
  check_bins(bins);
}

std::tuple<Tensor, Tensor> bootstrap_bins(const Tensor& confidence, const Tensor& correct, int64_t bins,
                                          int64_t resamples, int64_t seed) {
  check_bootstrap_bins(confidence, correct, bins, resamples);
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
