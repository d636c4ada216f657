// The kernels for AVX-512. They are in every x86-64 build;
// dispatch.cpp calls them only if the processor has it.
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#define CALIBENCH_ISA avx512
#define CALIBENCH_ISA_NAME "avx512"
// clang-format off: in this order
#include "../simd/target_avx512.h"
#include "../simd/avx512.h"
#include "../simd/kernel_table.h"
// clang-format on

namespace calibench {
extern const Kernels kAvx512Kernels;
const Kernels kAvx512Kernels = avx512::kTable;
}  // namespace calibench
#include "../simd/target_end.h"
#endif
