// Errors of the ops: one sentence without file and line, because Python shows it to the user.
#pragma once

#include <sstream>
#include <stdexcept>

namespace calibench {

// torch turns std::runtime_error into RuntimeError. STD_TORCH_CHECK is not used: it
// puts a source path in front of the message.
template <typename... Args>
[[noreturn]] void fail(const Args&... args) {
  std::ostringstream message;
  message << "calibench: ";
  (message << ... << args);
  throw std::runtime_error(message.str());
}

}  // namespace calibench

#define CALIBENCH_CHECK(condition, ...)             \
  do {                                              \
    if (!(condition)) calibench::fail(__VA_ARGS__); \
  } while (false)
