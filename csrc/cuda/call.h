// What every op does on torch's side: the device of its input, torch's current stream there, and scratch from
// torch's allocator, which hands it out again in the order of that stream and knows of graph capture. Nothing
// here waits.
#pragma once

#include <torch/csrc/stable/library.h>

#include "../inputs.h"
#include "runtime.h"

namespace calibench {

class Call {
 public:
  explicit Call(const Tensor& input)
      : guard_(input.get_device_index()), stream(current_stream(input.get_device_index())) {}

 private:
  DeviceGuard guard_;

 public:
  const cudaStream_t stream;
};

// 512 bytes apart at least, as torch's allocator gives them.
inline Tensor new_scratch(const Tensor& like, int64_t bytes) {
  return new_tensor<1>(like, {bytes}, ScalarType::Byte);
}

// Parts of a wide row lie in shared memory, 48 bytes for 1024 classes.
inline void check_classes(const Tensor& scores) {
  constexpr int64_t kMost = int64_t{1} << 20;
  CALIBENCH_CHECK(scores.size(1) <= kMost, scores.size(1), " classes: on CUDA at most ", kMost);
}

// Beyond kMostColumns bins the samples are sorted by bin, and positions there are 32 bits.
inline void check_batch(const CalibrationArgs& args) {
  constexpr int64_t kMost = (int64_t{1} << 32) - 1;
  CALIBENCH_CHECK(args.rows <= kMost, args.rows, " rows: on CUDA at most ", kMost, " at a time");
}

}  // namespace calibench
