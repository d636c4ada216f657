// The door of numpy: the operators of cpu/ as Python functions of numpy arrays, without torch.
#pragma once

#include "python.h"

namespace calibench {

// Adds `operators`, a dict of functions with positional arguments, and `signatures`, a dict of their kinds.
void add_operators(PyObject* module);

}  // namespace calibench
