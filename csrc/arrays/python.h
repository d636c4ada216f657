// Python's limited API: an owned reference, and errors of Python and of C++ as each other. One file serves
// Python 3.11 and all later ones, which pybind11 cannot do.
#pragma once

#undef Py_LIMITED_API  // torch's build sets it to an older Python, which has no Py_buffer
#define Py_LIMITED_API CALIBENCH_PYTHON
#include <Python.h>

#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

namespace calibench {

// Thrown where a call of Python has failed and has left its error for the caller.
struct PythonError {};

[[noreturn]] inline void raise(PyObject* type, const std::string& message) {
  PyErr_SetString(type, message.c_str());
  throw PythonError();
}

// A reference that is ours. Throws for null, which is how Python's functions report an error.
class Object {
 public:
  explicit Object(PyObject* owned) : pointer_(owned) {
    if (owned == nullptr) throw PythonError();
  }
  Object(Object&& other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  Object& operator=(Object&&) = delete;
  ~Object() { Py_XDECREF(pointer_); }

  PyObject* get() const { return pointer_; }
  PyObject* release() { return std::exchange(pointer_, nullptr); }

 private:
  PyObject* pointer_;
};

inline Object text(const std::string& value) {
  return Object(PyUnicode_FromStringAndSize(value.data(), static_cast<Py_ssize_t>(value.size())));
}

inline void set_item(const Object& dict, const std::string& key, const Object& value) {
  if (PyDict_SetItemString(dict.get(), key.c_str(), value.get()) != 0) throw PythonError();
}

inline void set_attribute(PyObject* object, const char* name, const Object& value) {
  if (PyObject_SetAttrString(object, name, value.get()) != 0) throw PythonError();
}

// What a function of Python returns: the reference that `body` makes, or null with an error.
template <typename Body>
PyObject* answer(const Body& body) {
  try {
    return Object(body()).release();
  } catch (const PythonError&) {
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

}  // namespace calibench
