// The kernels for AVX2 with FMA and F16C, compiled into every x86-64 build and called only where the
// processor has them.
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
#include "../simd/table.h"
// clang-format on

namespace calibench {
extern const Kernels kAvx2Kernels;
const Kernels kAvx2Kernels = avx2::kTable;
}  // namespace calibench
#include "../simd/target_end.h"
#endif
