// The door of numpy: the operators of cpu/ as Python functions of numpy arrays, without torch.
#pragma once

#include <pybind11/pybind11.h>

namespace calibench {

// Adds `operators`, a dict of functions with positional arguments, `signatures`, `threads` and `set_threads`.
void add_operators(pybind11::module_& m);

}  // namespace calibench
