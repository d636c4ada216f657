#include "functions.h"

#include <string>
#include <utility>
#include <vector>

#include "numpy.h"
#include "operators.h"

namespace calibench {
namespace {

// Releases the GIL while an operator runs. The operators call nothing of Python.
class Released {
 public:
  Released() : state_(PyEval_SaveThread()) {}
  Released(const Released&) = delete;
  Released& operator=(const Released&) = delete;
  ~Released() { PyEval_RestoreThread(state_); }

 private:
  PyThreadState* state_;
};

std::vector<Array> arrays_of(PyObject* list, size_t position, Buffers* buffers) {
  const Py_ssize_t count = PySequence_Size(list);
  if (count < 0) throw PythonError();
  std::vector<Array> arrays;
  for (Py_ssize_t i = 0; i < count; ++i) {
    arrays.push_back(buffers->from_numpy(Object(PySequence_GetItem(list, i)).get(), position));
  }
  return arrays;
}

Value convert(PyObject* argument, const std::string& kind, size_t position, Buffers* buffers) {
  if (kind == "Tensor") return buffers->from_numpy(argument, position);
  if (kind == "List[Tensor]" && PyList_Check(argument)) return arrays_of(argument, position, buffers);
  if (kind == "bool" && PyBool_Check(argument)) return argument == Py_True;
  if (kind == "int" && PyIndex_Check(argument)) {
    const int64_t number = PyLong_AsLongLong(Object(PyNumber_Index(argument)).get());
    if (number != -1 || PyErr_Occurred() == nullptr) return number;
  }
  if (kind == "float" && PyNumber_Check(argument) != 0) {
    const double number = PyFloat_AsDouble(argument);
    if (number != -1 || PyErr_Occurred() == nullptr) return number;
  }
  raise(PyExc_TypeError, "calibench: argument " + std::to_string(position) + " is no " + kind);
}

Object result(const std::vector<Array>& outputs) {
  if (outputs.size() == 1) return to_numpy(outputs[0]);
  Object all(PyTuple_New(static_cast<Py_ssize_t>(outputs.size())));
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (PyTuple_SetItem(all.get(), static_cast<Py_ssize_t>(i), to_numpy(outputs[i]).release()) != 0) {
      throw PythonError();
    }
  }
  return all;
}

Object call(const NamedOperator& named, PyObject* arguments) {
  const Operator& implementation = named.implementation;
  const size_t count = static_cast<size_t>(PyTuple_Size(arguments));
  if (count != implementation.kinds.size()) {
    raise(PyExc_TypeError, "calibench: " + named.name + " takes " +
                               std::to_string(implementation.kinds.size()) + " arguments, not " +
                               std::to_string(count));
  }
  Buffers buffers;
  std::vector<Value> values;
  values.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    PyObject* const argument = PyTuple_GetItem(arguments, static_cast<Py_ssize_t>(i));
    values.push_back(convert(argument, implementation.kinds[i], i, &buffers));
  }
  std::vector<Array> outputs;
  {
    const Released released;
    outputs = implementation.call(values);
  }
  return result(outputs);
}

// What Python calls. `self` has the operator.
PyObject* called(PyObject* self, PyObject* arguments) {
  return answer([&] {
    return call(*static_cast<const NamedOperator*>(PyCapsule_GetPointer(self, nullptr)), arguments);
  });
}

std::string signature(const Operator& implementation) {
  std::string line;
  for (const std::string& kind : implementation.kinds) line += (line.empty() ? "" : ", ") + kind;
  return line + " -> " + std::to_string(implementation.outputs);
}

}  // namespace

void add_operators(PyObject* module) {
  static std::vector<PyMethodDef> methods;  // a function keeps the address of its own
  const std::vector<NamedOperator>& all = operators().all();
  if (methods.empty()) {
    for (const NamedOperator& named : all)
      methods.push_back({named.name.c_str(), called, METH_VARARGS, nullptr});
  }
  const Object functions(PyDict_New()), signatures(PyDict_New());
  for (size_t i = 0; i < all.size(); ++i) {
    const Object self(PyCapsule_New(const_cast<NamedOperator*>(&all[i]), nullptr, nullptr));
    set_item(functions, all[i].name, Object(PyCFunction_NewEx(&methods[i], self.get(), nullptr)));
    set_item(signatures, all[i].name, text(signature(all[i].implementation)));
  }
  set_attribute(module, "operators", functions);
  set_attribute(module, "signatures", signatures);
}

}  // namespace calibench
