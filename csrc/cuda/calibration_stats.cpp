// calibration_stats on CUDA, torch's side: outputs, stream, and the bad row that is read back before anything
// is summed.
#include "calibration_stats.h"

#include <torch/csrc/stable/library.h>

#include "../inputs.h"
#include "runtime.h"

namespace calibench {
namespace {

// The label of one row, for the error message; its bytes are copied, since the view's pointer is the
// device's.
int64_t label_on_host(const LabelView& labels, int64_t row, cudaStream_t stream) {
  const size_t size = labels.type == LabelType::kInt64 ? 8 : labels.type == LabelType::kInt32 ? 4 : 1;
  const char* source =
      static_cast<const char*>(labels.data) + row * labels.stride * static_cast<int64_t>(size);
  int64_t bytes = 0;
  cuda_check(cudaMemcpyAsync(&bytes, source, size, cudaMemcpyDeviceToHost, stream), "copying a label");
  cuda_check(cudaStreamSynchronize(stream), "copying a label");
  return LabelView{&bytes, 1, labels.type}.at(0);
}

StatsTensors calibration_stats(const Tensor& scores, const Tensor& labels, int64_t bins, bool from_probs,
                               bool return_samples) {
  const CalibrationArgs args = check_inputs(scores, labels, bins, from_probs);
  const int device = scores.get_device_index();
  const DeviceGuard guard(device);
  const cudaStream_t stream = current_stream(device);

  Tensor bin_sums = new_float64(scores, {3, bins});
  Tensor totals = new_float64(scores, 4);
  // The samples are the workspace of the reduction, so all five rows are made even when none is returned: 40
  // N bytes.
  Tensor samples = new_float64(scores, {kSampleRows, args.rows});
  const int64_t length = args.rows + 1;  // the codes, then the first bad row
  Tensor workspace = torch::stable::new_empty(scores, {&length, 1}, ScalarType::Long);

  int64_t* codes = static_cast<int64_t*>(workspace.mutable_data_ptr());
  const RowOutputs rows{static_cast<double*>(samples.mutable_data_ptr()), codes,
                        reinterpret_cast<unsigned long long*>(codes + args.rows)};
  cuda_check(cudaMemsetAsync(rows.first_bad, 0xff, sizeof(*rows.first_bad), stream), "clearing the bad row");
  cuda_check(launch_rows(args, rows, stream), "the kernel over the rows");

  unsigned long long first_bad = 0;
  cuda_check(cudaMemcpyAsync(&first_bad, rows.first_bad, sizeof(first_bad), cudaMemcpyDeviceToHost, stream),
             "reading the bad row");
  cuda_check(cudaStreamSynchronize(stream), "the kernel over the rows");
  if (first_bad != ~0ULL) {
    const int64_t code = static_cast<int64_t>(first_bad);
    fail_row(code, label_on_host(args.labels, bad_row_index(code), stream), args.classes);
  }

  cuda_check(launch_reduce(args.rows, bins, rows, static_cast<double*>(bin_sums.mutable_data_ptr()),
                           static_cast<double*>(totals.mutable_data_ptr()), stream),
             "the reduction");
  // The workspace may go now: torch's allocator hands its memory out again in the order of this stream.
  if (!return_samples) samples = new_float64(scores, {kSampleRows, 0});
  return {bin_sums, totals, samples};
}

}  // namespace
}  // namespace calibench

STABLE_TORCH_LIBRARY_IMPL(calibench, CUDA, m) {
  m.impl("calibration_stats", TORCH_BOX(&calibench::calibration_stats));
}
