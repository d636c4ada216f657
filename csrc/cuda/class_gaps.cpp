// Registers resample_class_gaps on CUDA: checks the tensors, allocates the output and calls class_gaps.cu.
#include "class_gaps.h"

#include "../judging_inputs.h"
#include "device_values.h"

namespace calibench {
namespace {

Tensor resample_class_gaps(const Tensor& counts, const Tensor& places, const Tensor& scores,
                           const Tensor& labels, bool from_probs) {
  check_one_device({"scores", scores}, {{"counts", counts}, {"places", places}, {"labels", labels}});
  const Call call(scores);
  const ClassGapArgs args =
      check_class_gaps(DeviceValues(call, scores), counts, places, scores, labels, from_probs);
  Tensor gaps = new_tensor<2>(scores, {args.rows.scores.classes, args.lanes}, ScalarType::Double);
  Tensor scratch = new_scratch(scores, class_gap_bytes(args));
  cuda_check(sum_class_gaps(args, data<void>(scratch), data<double>(gaps), call.stream),
             "resample_class_gaps");
  return gaps;
}

}  // namespace
}  // namespace calibench

STABLE_TORCH_LIBRARY_IMPL(calibench, CUDA, m) {
  m.impl("resample_class_gaps", TORCH_BOX(&calibench::resample_class_gaps));
}
