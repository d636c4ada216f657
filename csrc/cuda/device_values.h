// Asks the device about values in its memory, for the checks of judging_inputs.h, and waits for each answer:
// so no kernel of judging reads beyond an array, and a bad argument is an error of the call.
#pragma once

#include <initializer_list>

#include "call.h"
#include "values.h"

namespace calibench {

class DeviceValues {
 public:
  explicit DeviceValues(const Call& call, const Tensor& like)
      : stream_(call.stream), found_(new_tensor<1>(like, {1}, ScalarType::Int)) {}

  // Whether all `count` indices lie in [0, limit).
  bool all_inside(const int32_t* indices, int64_t count, int64_t limit) const {
    return count == 0 || none(find_outside(indices, count, limit, data<int32_t>(found_), stream_));
  }

  // Whether `count` ends rise from 0 to at most `most`.
  bool rise(const int64_t* ends, int64_t count, int64_t most) const {
    return count == 0 || none(find_falling(ends, count, most, data<int32_t>(found_), stream_));
  }

  bool labels_inside(const LabelView& labels, int64_t rows, int64_t classes) const {
    return rows == 0 || none(find_bad_label(labels, rows, classes, data<int32_t>(found_), stream_));
  }

 private:
  bool none(cudaError_t error) const {
    cuda_check(error, "a check of values");
    return read_number(data<int32_t>(found_), stream_) == 0;
  }

  cudaStream_t stream_;
  Tensor found_;
};

struct NamedTensor {
  const char* name;
  const Tensor& tensor;
};

// All tensors must be on one device, which is then the GPU whose kernel torch has called.
inline void check_one_device(const NamedTensor& one, std::initializer_list<NamedTensor> others) {
  for (const NamedTensor& other : others) {
    CALIBENCH_CHECK(same_device(one.tensor, other.tensor), other.name, " and ", one.name,
                    " are on different devices");
  }
}

}  // namespace calibench
