// calibench._C: the CPU operators for numpy's arrays, the build of the extension, and the instruction sets of
// the processor. It does not use torch, so it also works where torch is missing.
#include <algorithm>
#include <string>
#include <vector>

#include "arrays/functions.h"
#include "arrays/threads.h"
#include "core/instruction_set.h"

namespace calibench {
namespace {

std::string compiler() {
#if defined(__clang__)
  return "clang";
#elif defined(__GNUC__)
  return "gcc";
#else
  return "unknown";
#endif
}

Object words(const std::string& line) {
  Object list(PyList_New(0));
  size_t begin = 0;
  while (begin < line.size()) {
    const size_t end = std::min(line.find(' ', begin), line.size());
    if (end > begin && PyList_Append(list.get(), text(line.substr(begin, end - begin)).get()) != 0) {
      throw PythonError();
    }
    begin = end + 1;
  }
  return list;
}

Object build_info() {
  Object info(PyDict_New());
  set_item(info, "compiler", text(compiler()));
  set_item(info, "compiler_version", text(__VERSION__));
  set_item(info, "flags", words(CALIBENCH_FLAGS));
  set_item(info, "instruction_set", text(instruction_set()));
  set_item(info, "instruction_sets_compiled", words(compiled_instruction_sets()));
  set_item(info, "instruction_sets_detected", words(usable_instruction_sets()));
  set_item(info, "cuda", Object(PyBool_FromLong(CALIBENCH_CUDA)));
  set_item(info, "cuda_architectures", words(CALIBENCH_CUDA_ARCHITECTURES));
  set_item(info, "cuda_version", text(CALIBENCH_CUDA_VERSION));
  set_item(info, "abi_target", text(CALIBENCH_ABI_TARGET));
  set_item(info, "build_mode", text(CALIBENCH_BUILD_MODE));
  set_item(info, "calibench_version", text(CALIBENCH_VERSION));
  return info;
}

Object set_threads_of(PyObject* argument) {
  const int64_t count = PyLong_AsLongLong(argument);
  if (count == -1 && PyErr_Occurred() != nullptr) throw PythonError();
  if (count < 1) raise(PyExc_ValueError, "calibench: the number of threads is " + std::to_string(count));
  set_threads(count);
  return Object(Py_NewRef(Py_None));
}

PyMethodDef methods[] = {
    {"build_info", [](PyObject*, PyObject*) { return answer(build_info); }, METH_NOARGS,
     "Compiler, flags, instruction sets, CUDA, ABI target, build mode and version."},
    {"threads", [](PyObject*, PyObject*) { return PyLong_FromLongLong(threads()); }, METH_NOARGS,
     "The number of threads that an operator may use."},
    {"set_threads",
     [](PyObject*, PyObject* count) { return answer([count] { return set_threads_of(count); }); }, METH_O,
     "Sets the number of threads. No result depends on it."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          "_C",
                          "The CPU operators for numpy arrays, and how calibench's extension was built.",
                          -1,
                          methods,
                          nullptr,
                          nullptr,
                          nullptr,
                          nullptr};

}  // namespace
}  // namespace calibench

PyMODINIT_FUNC PyInit__C() {
  return calibench::answer([] {
    calibench::Object module(PyModule_Create(&calibench::definition));
    calibench::add_operators(module.get());
    return module;
  });
}
