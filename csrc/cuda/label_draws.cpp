// Registers label_draws on CUDA: checks the tensors, allocates the outputs and calls label_draws.cu.
#include "label_draws.h"

#include "../judging_inputs.h"
#include "device_values.h"

namespace calibench {
namespace {

std::tuple<Tensor, Tensor> label_draws(const Tensor& scores, bool from_probs, int64_t bins,
                                       const Tensor& factors, const Tensor& rows, const Tensor& cells,
                                       int64_t num_cells, int64_t first, int64_t draws, int64_t seed) {
  check_one_device({"scores", scores}, {{"factors", factors}, {"rows", rows}, {"cells", cells}});
  const Call call(scores);
  const DeviceValues values(call, scores);
  const ClassRows class_rows = check_rows(values, scores, from_probs, bins, &factors, &rows);
  LabelDrawArgs args = check_label_draws(values, class_rows, cells, num_cells, first, draws, seed);
  Tensor right = new_tensor<2>(scores, {num_cells, args.lanes}, ScalarType::Int);
  Tensor labels = new_tensor<2>(scores, {class_rows.scores.classes * bins, args.lanes}, ScalarType::Int);
  args.right = data<int32_t>(right);
  args.labels = data<int32_t>(labels);
  Tensor scratch = new_scratch(scores, label_draw_bytes(args));
  cuda_check(draw_labels(args, num_cells, data<void>(scratch), call.stream), "label_draws");
  return {right, labels};
}

}  // namespace
}  // namespace calibench

STABLE_TORCH_LIBRARY_IMPL(calibench, CUDA, m) { m.impl("label_draws", TORCH_BOX(&calibench::label_draws)); }
