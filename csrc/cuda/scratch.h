// Divides the scratch memory of one call into arrays.
#pragma once

#include <cstdint>

namespace calibench {

// Hands out arrays one after the other, each aligned to 16 bytes. Without memory (null) it only counts bytes.
class ScratchArrays {
 public:
  explicit ScratchArrays(void* memory) : memory_(static_cast<unsigned char*>(memory)) {}

  template <typename T>
  T* take(int64_t count) {
    unsigned char* array = memory_ == nullptr ? nullptr : memory_ + bytes_;
    bytes_ += (count * static_cast<int64_t>(sizeof(T)) + 15) / 16 * 16;
    return reinterpret_cast<T*>(array);
  }

  int64_t bytes() const { return bytes_; }

 private:
  unsigned char* memory_;
  int64_t bytes_ = 0;
};

}  // namespace calibench
