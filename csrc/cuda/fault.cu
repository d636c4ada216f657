// Two kernels of one thread: one clears the fault before a pass over rows, one adds the label after it.
#include "device.h"
#include "fault.h"

namespace calibench {
namespace {

__global__ void clear(int64_t* fault) {
  fault[0] = kNoBadRow;
  fault[1] = 0;
}

__global__ void write_label(LabelView labels, int64_t* fault) {
  const int64_t code = fault[0];
  if (code != kNoBadRow && bad_row_status(code) == RowStatus::kLabel)
    fault[1] = labels.at(bad_row_index(code));
}

}  // namespace

cudaError_t clear_fault(int64_t* fault, cudaStream_t stream) { return launch(clear, 1, 1, 0, stream, fault); }

cudaError_t label_fault(const LabelView& labels, int64_t* fault, cudaStream_t stream) {
  return launch(write_label, 1, 1, 0, stream, labels, fault);
}

}  // namespace calibench
