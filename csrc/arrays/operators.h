// The operators of the door without torch: their names, the kinds of their arguments, and one way to call
// each.
#pragma once

#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "array.h"

namespace calibench {

using Value = std::variant<Array, int64_t, bool, double, std::vector<Array>>;

struct Operator {
  std::vector<std::string> kinds;  // of the arguments: Tensor, int, bool, float, List[Tensor]
  int64_t outputs;
  std::vector<Array> (*call)(const std::vector<Value>& arguments);
};

struct NamedOperator {
  std::string name;
  Operator implementation;
};

class Operators {
 public:
  void impl(const char* name, Operator implementation) { all_.push_back({name, std::move(implementation)}); }
  const std::vector<NamedOperator>& all() const { return all_; }

 private:
  std::vector<NamedOperator> all_;
};

// Those that the files of cpu/ have registered.
inline Operators& operators() {
  static Operators all;
  return all;
}

inline std::string kind_of(const Array*) { return "Tensor"; }
inline std::string kind_of(const int64_t*) { return "int"; }
inline std::string kind_of(const bool*) { return "bool"; }
inline std::string kind_of(const double*) { return "float"; }
inline std::string kind_of(const std::vector<Array>*) { return "List[Tensor]"; }

template <typename T>
struct Outputs : std::integral_constant<int64_t, std::is_void_v<T> ? 0 : 1> {};
template <typename... T>
struct Outputs<std::tuple<T...>> : std::integral_constant<int64_t, sizeof...(T)> {};

inline std::vector<Array> listed(Array output) { return {std::move(output)}; }
template <typename... T>
std::vector<Array> listed(std::tuple<T...> outputs) {
  return std::apply([](auto&... output) { return std::vector<Array>{std::move(output)...}; }, outputs);
}

template <auto kFunction, typename Output, typename... Arguments, size_t... kIndex>
Operator box(Output (*)(Arguments...), std::index_sequence<kIndex...>) {
  const auto call = [](const std::vector<Value>& values) -> std::vector<Array> {
    if constexpr (std::is_void_v<Output>) {
      kFunction(std::get<std::decay_t<Arguments>>(values[kIndex])...);
      return {};
    } else {
      return listed(kFunction(std::get<std::decay_t<Arguments>>(values[kIndex])...));
    }
  };
  return {{kind_of(static_cast<const std::decay_t<Arguments>*>(nullptr))...}, Outputs<Output>::value, call};
}

template <auto kFunction, typename Output, typename... Arguments>
Operator box(Output (*function)(Arguments...)) {
  return box<kFunction>(function, std::index_sequence_for<Arguments...>{});
}

}  // namespace calibench
