// Registers calibration_update on CUDA: checks the tensors, allocates
// the outputs and calls calibration_update.cu.
#include "calibration_stats.h"
#include "call.h"

namespace calibench {
namespace {

void calibration_update(Tensor state, Tensor fault, const Tensor& scores, const Tensor& labels, int64_t bins,
                        bool from_probs) {
  const CalibrationArgs args = check_inputs(scores, labels, bins, from_probs);
  check_state(state, fault, scores, bins);
  check_classes(scores);
  check_batch(args);
  const Call call(scores);
  Tensor batch = new_float64(scores, {bins + 2, kStateColumns});
  Tensor batch_fault = new_fault(scores);
  Tensor scratch = new_scratch(scores, batch_bytes(args));
  cuda_check(sum_batch(args, data<void>(scratch), data<double>(batch), nullptr, data<int64_t>(batch_fault),
                       call.stream),
             "calibration_update");
  cuda_check(add_batch(data<double>(batch), data<int64_t>(batch_fault), bins, data<double>(state),
                       data<int64_t>(fault), call.stream),
             "calibration_update");
}

}  // namespace
}  // namespace calibench

STABLE_TORCH_LIBRARY_IMPL(calibench, CUDA, m) {
  m.impl("calibration_update", TORCH_BOX(&calibench::calibration_update));
}
