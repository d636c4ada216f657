// The kernels for any processor. On 64-bit Arm the compiler's vectoriser uses NEON, elsewhere the baseline.
#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__ARM_NEON) && defined(__aarch64__)
#define CALIBENCH_ISA neon
#define CALIBENCH_ISA_NAME "neon"
#else
#define CALIBENCH_ISA generic
#define CALIBENCH_ISA_NAME "generic"
#endif
// clang-format off: in this order
#include "../simd/portable.h"
#include "../simd/group_portable.h"
#include "../simd/integers_portable.h"
#include "../simd/kernel_table.h"
// clang-format on

namespace calibench {
extern const Kernels kPortableKernels;
const Kernels kPortableKernels = CALIBENCH_ISA::kTable;
}  // namespace calibench
