// An array in the memory of this process, for the operators of cpu/ without torch. Neither torch nor Python.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "../check.h"

namespace calibench {

// The names are torch's, so that one text and one message serve both doors.
enum class ScalarType { Double, Float, BFloat16, Half, Long, Int, Byte, Bool, Other };

inline const char* type_name(ScalarType type) {
  constexpr const char* kNames[] = {"Double", "Float", "BFloat16", "Half",        "Long",
                                    "Int",    "Byte",  "Bool",     "another type"};
  return kNames[static_cast<int>(type)];
}

inline int64_t bytes_of(ScalarType type) {
  constexpr int64_t kBytes[] = {8, 4, 2, 2, 8, 4, 1, 1, 1};
  return kBytes[static_cast<int>(type)];
}

// Numbers of one type, with strides in elements. Copies share the numbers.
class Array {
 public:
  using Sizes = std::vector<int64_t>;

  // Numbers of a caller, which keeps them while the array is in use.
  Array(void* data, ScalarType type, Sizes sizes, Sizes strides, bool writable)
      : data_(data),
        type_(type),
        sizes_(std::move(sizes)),
        strides_(std::move(strides)),
        writable_(writable) {}

  // Uninitialised numbers, side by side.
  Array(Sizes sizes, ScalarType type)
      : type_(type), sizes_(std::move(sizes)), strides_(sizes_.size()), writable_(true) {
    int64_t step = 1;
    for (size_t i = sizes_.size(); i-- > 0; step *= sizes_[i]) strides_[i] = step;
    constexpr size_t kLine = 64;
    const size_t bytes = static_cast<size_t>(numel() * bytes_of(type));
    owner_.reset(std::aligned_alloc(kLine, (bytes / kLine + 1) * kLine), std::free);
    if (owner_ == nullptr) throw std::bad_alloc();
    data_ = owner_.get();
  }

  ScalarType scalar_type() const { return type_; }
  int64_t dim() const { return static_cast<int64_t>(sizes_.size()); }
  int64_t size(int64_t i) const { return sizes_[static_cast<size_t>(i)]; }
  int64_t stride(int64_t i) const { return strides_[static_cast<size_t>(i)]; }
  const Sizes& sizes() const { return sizes_; }
  const std::shared_ptr<void>& owner() const { return owner_; }

  int64_t numel() const {
    int64_t count = 1;
    for (const int64_t size : sizes_) count *= size;
    return count;
  }

  // As torch has it: the stride of a dimension of size 1 says nothing, and an empty array is contiguous.
  bool is_contiguous() const {
    if (numel() == 0) return true;
    int64_t step = 1;
    for (size_t i = sizes_.size(); i-- > 0; step *= sizes_[i]) {
      if (sizes_[i] != 1 && strides_[i] != step) return false;
    }
    return true;
  }

  const void* const_data_ptr() const { return data_; }
  void* mutable_data_ptr() const {
    CALIBENCH_CHECK(writable_, "an array that the operator changes is read-only");
    return data_;
  }

 private:
  void* data_ = nullptr;
  ScalarType type_;
  Sizes sizes_;
  Sizes strides_;
  bool writable_;
  std::shared_ptr<void> owner_;  // null if a caller has the numbers
};

}  // namespace calibench
