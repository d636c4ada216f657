// The door for arrays without torch. Include ../door.h.
#pragma once

#include <array>

#include "array.h"
#include "operators.h"
#include "threads.h"

namespace calibench {

using Tensor = Array;

inline const char* type_name(const Array& array) { return type_name(array.scalar_type()); }

inline bool same_device(const Array&, const Array&) { return true; }

// An uninitialised array. There is one device, so `like` says nothing.
template <size_t kDims>
Array new_tensor(const Array&, const std::array<int64_t, kDims>& size, ScalarType type) {
  return Array(Array::Sizes(size.begin(), size.end()), type);
}

}  // namespace calibench

#define CALIBENCH_CPU_OPERATORS(m)                                                                    \
  static void add_operators(calibench::Operators& m);                                                 \
  [[maybe_unused]] static const bool operators_added = (add_operators(calibench::operators()), true); \
  static void add_operators(calibench::Operators& m)
#define CALIBENCH_BOX(function) (calibench::box<(function)>(function))
