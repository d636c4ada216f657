// numpy's arrays as arrays of the operators, and back. Neither copies a number.
#pragma once

#include <list>

#include "array.h"
#include "python.h"

namespace calibench {

// The memory of Python objects while an operator reads it. Give it up only while the GIL is held.
class Buffers {
 public:
  Buffers() = default;
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;
  ~Buffers() {
    for (Py_buffer& view : views_) PyBuffer_Release(&view);
  }

  // The numbers of a numpy array, where they are. Fails for what torch.from_numpy fails for too.
  Array from_numpy(PyObject* value, size_t position);

 private:
  std::list<Py_buffer> views_;  // a Py_buffer may not move
};

// A numpy array that owns the numbers.
Object to_numpy(const Array& array);

}  // namespace calibench
