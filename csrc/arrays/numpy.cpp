#include "numpy.h"

#include <cstring>
#include <string>
#include <utility>

namespace calibench {
namespace {

// numpy.ndarray, imported once. It stays for as long as the process.
PyObject* ndarray() {
  static PyObject* type = nullptr;
  if (type == nullptr) {
    const Object numpy(PyImport_ImportModule("numpy"));
    type = PyObject_GetAttrString(numpy.get(), "ndarray");
    if (type == nullptr) throw PythonError();
  }
  return type;
}

// In the notation of the module struct, as numpy writes it: a byte order, if any, and one letter.
bool of_another_machine(char order) {
  const uint16_t one = 1;
  char first;
  std::memcpy(&first, &one, 1);
  return order == (first == 1 ? '>' : '<') || (order == '!' && first == 1);
}

ScalarType scalar_type(const char* letter, Py_ssize_t bytes) {
  if (letter[0] == '\0' || letter[1] != '\0') return ScalarType::Other;
  switch (letter[0]) {
    case 'd':
      return bytes == 8 ? ScalarType::Double : ScalarType::Other;
    case 'f':
      return ScalarType::Float;
    case 'e':
      return ScalarType::Half;
    case 'i':
    case 'l':
    case 'q':
      return bytes == 8 ? ScalarType::Long : bytes == 4 ? ScalarType::Int : ScalarType::Other;
    case 'B':
      return ScalarType::Byte;
    case '?':
      return ScalarType::Bool;
    default:
      return ScalarType::Other;
  }
}

const char* numpy_name(ScalarType type) {
  switch (type) {
    case ScalarType::Double:
      return "float64";
    case ScalarType::Long:
      return "int64";
    case ScalarType::Int:
      return "int32";
    case ScalarType::Byte:
      return "uint8";
    case ScalarType::Bool:
      return "bool";
    default:
      fail("an output has type ", type_name(type), ", which no operator makes");
  }
}

// An object whose memory is that of an array: what a numpy array of an output has as its base.
struct Numbers {
  PyObject_HEAD Array* array;
};

void free_numbers(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  delete reinterpret_cast<Numbers*>(self)->array;
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

int numbers_buffer(PyObject* self, Py_buffer* view, int flags) {
  const Array& array = *reinterpret_cast<Numbers*>(self)->array;
  const int64_t bytes = array.numel() * bytes_of(array.scalar_type());
  return PyBuffer_FillInfo(view, self, array.mutable_data_ptr(), static_cast<Py_ssize_t>(bytes), 0, flags);
}

PyTypeObject* numbers_type() {
  static PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(free_numbers)},
                                {Py_bf_getbuffer, reinterpret_cast<void*>(numbers_buffer)},
                                {0, nullptr}};
  static PyType_Spec spec = {"calibench._C.Numbers", sizeof(Numbers), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  static PyObject* type = nullptr;
  if (type == nullptr) type = PyType_FromSpec(&spec);
  if (type == nullptr) throw PythonError();
  return reinterpret_cast<PyTypeObject*>(type);
}

}  // namespace

Array Buffers::from_numpy(PyObject* value, size_t position) {
  const std::string argument = "calibench: argument " + std::to_string(position);
  const int is_array = PyObject_IsInstance(value, ndarray());
  if (is_array < 0) throw PythonError();
  if (is_array == 0) raise(PyExc_TypeError, argument + " is no numpy array");
  views_.emplace_back();
  Py_buffer& view = views_.back();
  if (PyObject_GetBuffer(value, &view, PyBUF_RECORDS_RO) != 0) {
    views_.pop_back();
    raise(PyExc_TypeError, argument + " is no array of numbers");  // but of dates, for example
  }
  const char* format = view.format;
  CALIBENCH_CHECK(!of_another_machine(*format), "argument ", static_cast<int64_t>(position),
                  " is not in the byte order of this machine");
  const Array::Sizes sizes(view.shape, view.shape + view.ndim);
  Array::Sizes strides(sizes.size(), 1);
  const ScalarType type = scalar_type(format + (std::strchr("@=<>!^", *format) != nullptr), view.itemsize);
  bool regular = view.len == 0 || type == ScalarType::Other ||
                 reinterpret_cast<uintptr_t>(view.buf) % static_cast<uintptr_t>(view.itemsize) == 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] <= 1 || view.len == 0) continue;
    const int64_t step = view.strides[i];
    regular &= step >= 0 && step % view.itemsize == 0;
    strides[i] = step / view.itemsize;
  }
  CALIBENCH_CHECK(regular, "argument ", static_cast<int64_t>(position),
                  " runs backwards or is not aligned: numpy.ascontiguousarray copies it");
  // The pointer of a read-only array is read only: see Array::mutable_data_ptr.
  return Array(view.buf, type, sizes, std::move(strides), view.readonly == 0);
}

Object to_numpy(const Array& array) {
  const Object name = text(numpy_name(array.scalar_type()));
  const Object shape(PyTuple_New(array.dim()));
  for (int64_t i = 0; i < array.dim(); ++i) {
    // PyTuple_SetItem takes the reference, also when it fails.
    Object size(PyLong_FromLongLong(array.size(i)));
    if (PyTuple_SetItem(shape.get(), static_cast<Py_ssize_t>(i), size.release()) != 0) throw PythonError();
  }
  const Object owner(PyType_GenericAlloc(numbers_type(), 0));
  reinterpret_cast<Numbers*>(owner.get())->array = new Array(array);
  return Object(PyObject_CallFunctionObjArgs(ndarray(), shape.get(), name.get(), owner.get(), nullptr));
}

}  // namespace calibench
