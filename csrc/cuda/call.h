// The parts of torch that every CUDA op needs: the device of its input, torch's current
// stream there, and scratch memory. torch's allocator reuses scratch in the order
// of that stream and supports graph capture. Nothing here waits for the device.
#pragma once

#include <torch/csrc/stable/library.h>

#include "../inputs.h"
#include "runtime.h"

namespace calibench {

// Makes the device of `input` current during its lifetime.
class Call {
 public:
  explicit Call(const Tensor& input)
      : guard_(input.get_device_index()), stream(current_stream(input.get_device_index())) {}

 private:
  DeviceGuard guard_;

 public:
  const cudaStream_t stream;
};

// Uninitialised bytes, aligned to 512 by torch's allocator.
inline Tensor new_scratch(const Tensor& like, int64_t bytes) {
  return new_tensor<1>(like, {bytes}, ScalarType::Byte);
}

// The parts of a wide row are in shared memory, 48 bytes per 1024 classes: 48 KiB at most.
inline void check_classes(const Tensor& scores) {
  constexpr int64_t kMaxClasses = int64_t{1} << 20;
  CALIBENCH_CHECK(scores.size(1) <= kMaxClasses, "on CUDA, at most ", kMaxClasses,
                  " classes are allowed, not ", scores.size(1));
}

// With more than kMaxSharedBins bins the samples are sorted by bin, and their positions have 32 bits.
inline void check_batch(const CalibrationArgs& args) {
  constexpr int64_t kMaxRows = (int64_t{1} << 32) - 1;
  CALIBENCH_CHECK(args.rows <= kMaxRows, "on CUDA, at most ", kMaxRows, " rows are allowed in one call, not ",
                  args.rows);
}

}  // namespace calibench
