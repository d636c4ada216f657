#include "numpy.h"

#include <pybind11/numpy.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "operators.h"
#include "threads.h"

namespace calibench {
namespace {

namespace py = pybind11;

ScalarType scalar_type(const py::dtype& type) {
  const char kind = type.kind();
  switch (type.itemsize()) {
    case 8:
      return kind == 'f' ? ScalarType::Double : kind == 'i' ? ScalarType::Long : ScalarType::Other;
    case 4:
      return kind == 'f' ? ScalarType::Float : kind == 'i' ? ScalarType::Int : ScalarType::Other;
    case 2:
      return kind == 'f' ? ScalarType::Half : ScalarType::Other;
    case 1:
      return kind == 'u' ? ScalarType::Byte : kind == 'b' ? ScalarType::Bool : ScalarType::Other;
    default:
      return ScalarType::Other;
  }
}

// The numbers of a numpy array, where they are. Fails for what torch.from_numpy fails for too.
Array from_numpy(const py::handle& value, size_t position) {
  if (!py::isinstance<py::array>(value)) {
    throw py::type_error("calibench: argument " + std::to_string(position) + " is no numpy array");
  }
  const auto array = py::reinterpret_borrow<py::array>(value);
  const py::dtype type = array.dtype();
  const char order = type.byteorder();
  CALIBENCH_CHECK(order == '=' || order == '|', "argument ", static_cast<int64_t>(position),
                  " is not in the byte order of this machine");
  const int64_t item = array.itemsize();
  Array::Sizes sizes(array.shape(), array.shape() + array.ndim()), strides(sizes.size());
  bool regular = (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0 || array.size() == 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const int64_t step = array.strides(static_cast<py::ssize_t>(i));
    const bool used = sizes[i] > 1 && array.size() > 0;
    regular &= !used || (step >= 0 && step % item == 0);
    strides[i] = used ? step / item : 1;
  }
  CALIBENCH_CHECK(regular, "argument ", static_cast<int64_t>(position),
                  " runs backwards or is not aligned: numpy.ascontiguousarray copies it");
  // The pointer of a read-only array is read only: see Array::mutable_data_ptr.
  return Array(const_cast<void*>(array.data()), scalar_type(type), std::move(sizes), std::move(strides),
               array.writeable());
}

py::dtype numpy_type(ScalarType type) {
  switch (type) {
    case ScalarType::Double:
      return py::dtype::of<double>();
    case ScalarType::Long:
      return py::dtype::of<int64_t>();
    case ScalarType::Int:
      return py::dtype::of<int32_t>();
    case ScalarType::Byte:
      return py::dtype::of<uint8_t>();
    case ScalarType::Bool:
      return py::dtype::of<bool>();
    default:
      fail("an output has type ", type_name(type), ", which no operator makes");
  }
}

// A numpy array that owns the numbers.
py::array to_numpy(const Array& array) {
  const py::capsule owner(new std::shared_ptr<void>(array.owner()),
                          [](void* pointer) { delete static_cast<std::shared_ptr<void>*>(pointer); });
  return py::array(numpy_type(array.scalar_type()), array.sizes(), array.const_data_ptr(), owner);
}

Value convert(const py::handle& argument, const std::string& kind, size_t position) {
  if (kind == "Tensor") return from_numpy(argument, position);
  try {
    if (kind == "List[Tensor]") {
      std::vector<Array> arrays;
      for (const py::handle& item : argument.cast<py::list>()) arrays.push_back(from_numpy(item, position));
      return arrays;
    }
    if (kind == "int") return argument.cast<int64_t>();
    if (kind == "bool") return argument.cast<bool>();
    return argument.cast<double>();
  } catch (const py::cast_error&) {
    throw py::type_error("calibench: argument " + std::to_string(position) + " is no " + kind);
  }
}

py::object call(const NamedOperator& named, const py::args& arguments) {
  const Operator& implementation = named.implementation;
  if (arguments.size() != implementation.kinds.size()) {
    throw py::type_error("calibench: " + named.name + " takes " +
                         std::to_string(implementation.kinds.size()) + " arguments, not " +
                         std::to_string(arguments.size()));
  }
  std::vector<Value> values;
  values.reserve(arguments.size());
  for (size_t i = 0; i < arguments.size(); ++i) {
    values.push_back(convert(arguments[i], implementation.kinds[i], i));
  }
  std::vector<Array> outputs;
  {
    const py::gil_scoped_release released;
    outputs = implementation.call(values);
  }
  if (outputs.size() == 1) return to_numpy(outputs[0]);
  py::tuple all(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) all[i] = to_numpy(outputs[i]);
  return all;
}

std::string signature(const Operator& implementation) {
  std::string text;
  for (const std::string& kind : implementation.kinds) text += (text.empty() ? "" : ", ") + kind;
  return text + " -> " + std::to_string(implementation.outputs);
}

}  // namespace

void add_operators(py::module_& m) {
  py::dict functions, signatures;
  for (const NamedOperator& named : operators().all()) {
    const py::str name(named.name);
    functions[name] = py::cpp_function([&named](const py::args& arguments) { return call(named, arguments); },
                                       py::name(named.name.c_str()));
    signatures[name] = signature(named.implementation);
  }
  m.attr("operators") = functions;
  m.attr("signatures") = signatures;
  m.def("threads", &threads, "The number of threads that an operator may use.");
  m.def(
      "set_threads",
      [](int64_t count) {
        if (count < 1) throw py::value_error("calibench: the number of threads is " + std::to_string(count));
        set_threads(count);
      },
      "Sets the number of threads. No result depends on it.");
}

}  // namespace calibench
