// Code that needs nvcc or PTX: launches, dynamic shared memory, predicated
// loads, conversions and the exponential unit.
#pragma once

#include <cuda_runtime.h>

#include <type_traits>

#include "../core/types.h"

namespace calibench {

constexpr int kWarp = 32;
constexpr int kThreads = 128;  // per block: four warps, so that the last rows of a block do not take long
constexpr int kWarps = kThreads / kWarp;
constexpr unsigned kAllLanes = 0xffffffffu;

// Launches a kernel. CUDA refuses a launch of 0 blocks; here it does nothing. More than 48 KiB of shared
// memory per block must be requested first; that call is host-side and is allowed during graph capture.
template <typename... Params, typename... Args>
cudaError_t launch(void (*kernel)(Params...), int64_t blocks, int threads, size_t shared, cudaStream_t stream,
                   const Args&... args) {
  if (blocks == 0) return cudaSuccess;
  if (shared > 48 * 1024) {
    const cudaError_t error =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
    if (error != cudaSuccess) return error;
  }
  kernel<<<static_cast<unsigned int>(blocks), static_cast<unsigned int>(threads), shared, stream>>>(args...);
  return cudaGetLastError();
}

__device__ __forceinline__ unsigned char* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char calibench_bytes[];
  return calibench_bytes;
}

// 2^x in one instruction, to 2 ulp. A result below 2^-126 is 0.
__device__ __forceinline__ float exp2_unit(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// Loads 16 bytes if `condition`, else returns `fill` in each word. It is a predicated load, not a branch, so
// that all loads of a row start before the first result is needed.
__device__ __forceinline__ uint4 load_vector_if(bool condition, const void* from, unsigned fill) {
  uint4 raw;
  asm volatile(
      "{\n\t.reg .pred p;\n\tsetp.ne.u32 p, %5, 0;\n\t"
      "mov.b32 %0, %6;\n\tmov.b32 %1, %6;\n\tmov.b32 %2, %6;\n\tmov.b32 %3, %6;\n\t"
      "@p ld.global.nc.v4.b32 {%0, %1, %2, %3}, [%4];\n\t}"
      : "=&r"(raw.x), "=&r"(raw.y), "=&r"(raw.z), "=&r"(raw.w)
      : "l"(from), "r"(static_cast<unsigned>(condition)), "r"(fill));
  return raw;
}

__device__ __forceinline__ float load_if(bool condition, const float* from, float fill) {
  float x;
  asm volatile(
      "{\n\t.reg .pred p;\n\tsetp.ne.u32 p, %2, 0;\n\tmov.f32 %0, %3;\n\t@p ld.global.nc.f32 %0, [%1];\n\t}"
      : "=&f"(x)
      : "l"(from), "r"(static_cast<unsigned>(condition)), "f"(fill));
  return x;
}

__device__ __forceinline__ uint16_t load_bits_if(bool condition, const void* from) {
  uint16_t bits;
  asm volatile(
      "{\n\t.reg .pred p;\n\tsetp.ne.u32 p, %2, 0;\n\tmov.b16 %0, 0;\n\t@p ld.global.nc.b16 %0, [%1];\n\t}"
      : "=&h"(bits)
      : "l"(from), "r"(static_cast<unsigned>(condition)));
  return bits;
}

__device__ __forceinline__ float half_to_float(uint16_t bits) {
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(bits));
  return y;
}

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(BFloat16 x) {
  return __uint_as_float(static_cast<unsigned>(x.bits) << 16);
}
__device__ __forceinline__ float to_float(Float16 x) { return half_to_float(x.bits); }

// Decodes 16 bytes. For 16-bit types the result is `fill` if they were not read.
__device__ __forceinline__ void decode(const uint4& raw, bool, float, float* out, float) {
  out[0] = __uint_as_float(raw.x);
  out[1] = __uint_as_float(raw.y);
  out[2] = __uint_as_float(raw.z);
  out[3] = __uint_as_float(raw.w);
}

template <typename Half>
__device__ __forceinline__ void decode(const uint4& raw, bool read, float fill, float* out, Half) {
  const unsigned words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const Half low{static_cast<uint16_t>(words[i] & 0xffffu)};
    const Half high{static_cast<uint16_t>(words[i] >> 16)};
    out[2 * i] = read ? to_float(low) : fill;
    out[2 * i + 1] = read ? to_float(high) : fill;
  }
}

// The raw bits of one number. It is decoded after all loads have started.
template <typename T>
using RawNumber = std::conditional_t<sizeof(T) == 4, float, uint16_t>;

__device__ __forceinline__ float no_number(float fill, float) { return fill; }
template <typename Half>
__device__ __forceinline__ uint16_t no_number(float, Half) {
  return 0;
}

__device__ __forceinline__ float load_raw_if(bool condition, const float* from, float fill) {
  return load_if(condition, from, fill);
}
template <typename Half>
__device__ __forceinline__ uint16_t load_raw_if(bool condition, const Half* from, float) {
  return load_bits_if(condition, from);
}

__device__ __forceinline__ float decode_raw(float raw, bool, float, float) { return raw; }
template <typename Half>
__device__ __forceinline__ float decode_raw(uint16_t raw, bool read, float fill, Half) {
  return read ? to_float(Half{raw}) : fill;
}

}  // namespace calibench
