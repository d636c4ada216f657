// calibench._C: the CPU operators for numpy's arrays, the build of the extension, and the instruction sets of
// the processor. It does not use torch, so it also works where torch is missing.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <string>
#include <vector>

#include "arrays/numpy.h"
#include "core/instruction_set.h"

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

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    if (end > begin) words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

pybind11::dict build_info() {
  pybind11::dict info;
  info["compiler"] = compiler();
  info["compiler_version"] = __VERSION__;
  info["flags"] = split(CALIBENCH_FLAGS);
  info["instruction_set"] = std::string(calibench::instruction_set());
  info["instruction_sets_compiled"] = split(calibench::compiled_instruction_sets());
  info["instruction_sets_detected"] = split(calibench::usable_instruction_sets());
  info["cuda"] = static_cast<bool>(CALIBENCH_CUDA);
  info["cuda_architectures"] = split(CALIBENCH_CUDA_ARCHITECTURES);
  info["cuda_version"] = std::string(CALIBENCH_CUDA_VERSION);
  info["abi_target"] = std::string(CALIBENCH_ABI_TARGET);
  info["build_mode"] = std::string(CALIBENCH_BUILD_MODE);
  info["calibench_version"] = std::string(CALIBENCH_VERSION);
  return info;
}

}  // namespace

PYBIND11_MODULE(_C, m) {
  m.doc() = "The CPU operators for numpy arrays, and how calibench's extension was built.";
  m.def("build_info", &build_info,
        "Compiler, flags, instruction sets, CUDA, ABI target, build mode and version.");
  calibench::add_operators(m);
}
