// The calls into the CUDA runtime that the ops need, for the host. The same .so must load with CPU-only
// torch, so nothing here may need a symbol that only CUDA torch has.
#pragma once

#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include "../check.h"

namespace calibench {

// STD_CUDA_CHECK is not used: it needs torch_c10_cuda_check_msg, which CPU-only torch lacks.
inline void cuda_check(cudaError_t error, const char* operation) {
  CALIBENCH_CHECK(error == cudaSuccess, operation, ": ", cudaGetErrorString(error), " (",
                  cudaGetErrorName(error), ")");
}

// Waits for the stream and reads a number on the device.
template <typename T>
T read_number(const T* number, cudaStream_t stream) {
  T value{};
  cuda_check(cudaMemcpyAsync(&value, number, sizeof(value), cudaMemcpyDeviceToHost, stream),
             "cudaMemcpyAsync");
  cuda_check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  return value;
}

class DeviceGuard {
 public:
  explicit DeviceGuard(int device) {
    cuda_check(cudaGetDevice(&previous_), "cudaGetDevice");
    cuda_check(cudaSetDevice(device), "cudaSetDevice");
  }
  // A destructor must not throw. If the device is gone, the next checked call reports it.
  ~DeviceGuard() { static_cast<void>(cudaSetDevice(previous_)); }
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int previous_ = 0;
};

// torch's current stream. The stable ABI gives the native handle of a stream from target 2.13 only, so the
// symbol is looked up at run time.
inline cudaStream_t current_stream(int device) {
  using Getter = int32_t (*)(int32_t, void**);
  static const Getter getter = [] {
    constexpr const char* kName = "aoti_torch_get_current_cuda_stream";
    void* symbol = dlsym(RTLD_DEFAULT, kName);
    if (symbol == nullptr) {
      // Python opens torch's libraries with RTLD_LOCAL, where RTLD_DEFAULT may not see them.
      void* library = dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD);
      if (library != nullptr) symbol = dlsym(library, kName);
    }
    return reinterpret_cast<Getter>(symbol);
  }();
  CALIBENCH_CHECK(getter != nullptr,
                  "this torch has no CUDA streams (aoti_torch_get_current_cuda_stream is missing)");
  void* stream = nullptr;
  CALIBENCH_CHECK(getter(device, &stream) == 0, "torch did not give the current CUDA stream");
  return static_cast<cudaStream_t>(stream);
}

}  // namespace calibench
