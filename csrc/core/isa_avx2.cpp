// The kernels for AVX2 with FMA and F16C. They are in every x86-64 build; dispatch.cpp calls them only if the
// processor has these instructions.
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#define CALIBENCH_ISA avx2
#define CALIBENCH_ISA_NAME "avx2"
// clang-format off: in this order
#include "../simd/target_avx2.h"
#include "../simd/avx2.h"
#include "../simd/kernel_table.h"
// clang-format on

namespace calibench {
extern const Kernels kAvx2Kernels;
const Kernels kAvx2Kernels = avx2::kTable;
}  // namespace calibench
#include "../simd/target_end.h"
#endif
