// Errors of the ops: one sentence without file and line, because Python shows it to the user.
#pragma once

#include <stdexcept>
#include <string>
#include <type_traits>

namespace calibench {

// A message is joined without iostreams: they use the locale of the C++ library, which fails where another
// library in the process has brought a copy of its own.
inline void append(std::string* message, const char* text) { *message += text; }
inline void append(std::string* message, const std::string& text) { *message += text; }
template <typename T, typename = std::enable_if_t<std::is_integral_v<T>>>
void append(std::string* message, T number) {
  *message += std::to_string(number);
}

// torch turns std::runtime_error into RuntimeError. STD_TORCH_CHECK is not used: it
// puts a source path in front of the message.
template <typename... Args>
[[noreturn]] void fail(const Args&... args) {
  std::string message = "calibench: ";
  (append(&message, args), ...);
  throw std::runtime_error(message);
}

}  // namespace calibench

#define CALIBENCH_CHECK(condition, ...)             \
  do {                                              \
    if (!(condition)) calibench::fail(__VA_ARGS__); \
  } while (false)
