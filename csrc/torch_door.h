// The door for torch's tensors: operators under torch.ops.calibench, through torch's stable ABI. Include
// door.h.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <array>

namespace calibench {

using torch::headeronly::ScalarType;
using torch::stable::parallel_for;
using torch::stable::Tensor;

inline const char* type_name(const Tensor& tensor) {
  return torch::headeronly::toString(tensor.scalar_type());
}

inline bool same_device(const Tensor& a, const Tensor& b) {
  return a.is_cuda() == b.is_cuda() && a.get_device_index() == b.get_device_index();
}

// An uninitialised tensor on the device of `like`.
template <size_t kDims>
Tensor new_tensor(const Tensor& like, const std::array<int64_t, kDims>& size, ScalarType type) {
  return torch::stable::new_empty(like, {size.data(), size.size()}, type);
}

}  // namespace calibench

#define CALIBENCH_CPU_OPERATORS(m) STABLE_TORCH_LIBRARY_IMPL(calibench, CPU, m)
#define CALIBENCH_BOX(function) TORCH_BOX(function)
