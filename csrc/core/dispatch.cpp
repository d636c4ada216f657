// Finds the kernel table of the selected instruction set.
#include <cstring>

#include "instruction_set.h"
#include "kernels.h"

namespace calibench {

extern const Kernels kPortableKernels;
#if defined(__x86_64__) && defined(__GNUC__)
extern const Kernels kAvx512Kernels;
extern const Kernels kAvx2Kernels;
#endif

const Kernels& kernels() {
#if defined(__x86_64__) && defined(__GNUC__)
  static const Kernels* const tables[] = {&kAvx512Kernels, &kAvx2Kernels};
  for (const Kernels* table : tables) {
    if (std::strcmp(table->name, instruction_set()) == 0) return *table;
  }
#endif
  return kPortableKernels;
}

}  // namespace calibench
