// Registers class_table on CUDA: checks the tensors, allocates the outputs and calls class_table.cu. The
// number of entries decides the size of the outputs, so the call waits for it.
#include "class_table.h"

#include "../judging_inputs.h"
#include "device_values.h"

namespace calibench {
namespace {

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> class_table(const Tensor& scores, bool from_probs,
                                                               int64_t bins, const Tensor& factors,
                                                               const Tensor& rows, bool list) {
  check_one_device({"scores", scores}, {{"factors", factors}, {"rows", rows}});
  const Call call(scores);
  const ClassRows args = check_rows(DeviceValues(call, scores), scores, from_probs, bins, &factors, &rows);
  Tensor moments = new_tensor<2>(scores, {2, args.scores.classes * bins}, ScalarType::Double);
  Tensor expected = new_tensor<1>(scores, {1}, ScalarType::Double);
  Tensor scratch = new_scratch(scores, class_table_bytes(args, list));
  const int64_t* total = nullptr;
  cuda_check(sum_class_table(args, list, data<void>(scratch), data<double>(moments), data<double>(expected),
                             &total, call.stream),
             "class_table");
  const int64_t entries = list ? read_number(total, call.stream) : 0;
  Tensor row = new_tensor<1>(scores, {entries}, ScalarType::Int);
  Tensor cell = new_tensor<1>(scores, {entries}, ScalarType::Int);
  Tensor p = new_tensor<1>(scores, {entries}, ScalarType::Double);
  if (entries > 0) {
    const EntryList out{data<int32_t>(row), data<int32_t>(cell), data<double>(p)};
    cuda_check(list_entries(args, data<void>(scratch), out, call.stream), "class_table");
  }
  return {moments, expected, row, cell, p};
}

}  // namespace
}  // namespace calibench

STABLE_TORCH_LIBRARY_IMPL(calibench, CUDA, m) { m.impl("class_table", TORCH_BOX(&calibench::class_table)); }
