// Registers calibration_stats on CUDA: checks the tensors, allocates
// the outputs and calls calibration_stats.cu.
#include "calibration_stats.h"

#include "call.h"

namespace calibench {
namespace {

std::tuple<Tensor, Tensor, Tensor, Tensor> calibration_stats(const Tensor& scores, const Tensor& labels,
                                                             int64_t bins, bool from_probs,
                                                             bool return_samples) {
  const CalibrationArgs args = check_inputs(scores, labels, bins, from_probs);
  check_classes(scores);
  check_batch(args);
  const Call call(scores);
  Tensor bin_sums = new_float64(scores, {3, bins});
  Tensor totals = new_float64(scores, 4);
  Tensor samples = new_float64(scores, {kSampleRows, return_samples ? args.rows : 0});
  Tensor fault = new_fault(scores);
  Tensor batch = new_float64(scores, {bins + 2, kStateColumns});
  Tensor scratch = new_scratch(scores, batch_bytes(args));
  double* samples_out = return_samples ? data<double>(samples) : nullptr;
  cuda_check(sum_batch(args, data<void>(scratch), data<double>(batch), samples_out, data<int64_t>(fault),
                       call.stream),
             "calibration_stats");
  cuda_check(read_batch(data<double>(batch), bins, data<double>(bin_sums), data<double>(totals), call.stream),
             "calibration_stats");
  return {bin_sums, totals, samples, fault};
}

}  // namespace
}  // namespace calibench

STABLE_TORCH_LIBRARY_IMPL(calibench, CUDA, m) {
  m.impl("calibration_stats", TORCH_BOX(&calibench::calibration_stats));
}
