#include "instruction_set.h"

#include <cstdlib>
#include <string>

namespace calibench {
namespace {

// True if `name` is one of `names`, which are separated by spaces.
bool contains(const std::string& names, const std::string& name) {
  return (" " + names + " ").find(" " + name + " ") != std::string::npos;
}

// The value of CALIBENCH_ISA; empty if it is unset or `auto`.
std::string requested_instruction_set() {
  const char* name = std::getenv("CALIBENCH_ISA");
  const std::string text = name == nullptr ? "" : name;
  return text == "auto" ? "" : text;
}

}  // namespace

const char* compiled_instruction_sets() {
#if defined(__x86_64__) && defined(__GNUC__)
  return "avx512 avx2 generic";
#elif defined(__ARM_NEON) && defined(__aarch64__)
  return "neon";
#else
  return "generic";
#endif
}

const char* usable_instruction_sets() {
#if defined(__x86_64__) && defined(__GNUC__)
  static const std::string names = [] {
    __builtin_cpu_init();
    const bool avx2 =
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    return std::string(avx512 ? "avx512 " : "") + (avx2 ? "avx2 " : "") + "generic";
  }();
  return names.c_str();
#else
  return compiled_instruction_sets();
#endif
}

const char* instruction_set() {
  static const std::string selected = [] {
    const std::string usable = usable_instruction_sets(), name = requested_instruction_set();
    return !name.empty() && contains(usable, name) ? name : usable.substr(0, usable.find(' '));
  }();
  return selected.c_str();
}

const char* refused_instruction_set() {
  static const std::string name = requested_instruction_set();
  return name.empty() || contains(usable_instruction_sets(), name) ? nullptr : name.c_str();
}

}  // namespace calibench
