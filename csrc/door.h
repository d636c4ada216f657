// The door through which arrays come to the operators of cpu/: torch's tensors, or numpy's arrays without
// torch (CALIBENCH_ARRAYS). Each file of cpu/ is compiled once for each door, from one text. A door defines
// Tensor, ScalarType, type_name, same_device, new_tensor, parallel_for, CALIBENCH_CPU_OPERATORS and
// CALIBENCH_BOX.
#pragma once

#ifdef CALIBENCH_ARRAYS
#include "arrays/door.h"
#else
#include "torch_door.h"
#endif
