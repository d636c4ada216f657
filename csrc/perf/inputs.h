// Inputs of the cases: the same on every machine (sums and products of exact numbers, no libm), and awkward
// on purpose.
#pragma once

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "../core/types.h"

namespace calibench::perf {

// SplitMix64 (Steele, Lea & Flood 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t bits() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  int64_t below(int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }
  double bell() {
    return uniform() + uniform() + uniform() + uniform() - 2.0;
  }  // nearly normal, variance 1 / 3

 private:
  uint64_t state_;
};

// How many elements into its allocation a buffer begins. The gates use a multiple of 64 bytes; `--check` also
// odd ones, so that vectors do not lie on their own boundaries by luck.
struct Placement {
  int64_t offset = 0;
  bool exact = false;  // malloc, so that AddressSanitizer's red zone follows the last element at once
};

// Memory that ends with its last element.
class Buffer {
 public:
  Buffer() = default;
  Buffer(int64_t count, size_t size, Placement placement) : bytes_(static_cast<size_t>(count) * size) {
    const size_t skipped = placement.exact ? static_cast<size_t>(placement.offset) * size : 0;
    const size_t whole = skipped + bytes_;
    void* block =
        placement.exact ? std::malloc(whole ? whole : 1) : std::aligned_alloc(64, (whole / 64 + 1) * 64);
    if (block == nullptr) throw std::bad_alloc();
    block_.reset(block);
    data_ = static_cast<unsigned char*>(block) + skipped;
    std::memset(data_, 0, bytes_);
  }
  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }
  unsigned char* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* block) const { std::free(block); }
  };
  std::unique_ptr<void, Free> block_;
  unsigned char* data_ = nullptr;
  size_t bytes_ = 0;
};

// What the rows look like.
enum class Rows {
  kPlain,      // the label leads in about two rows of three
  kSaturated,  // one class leads by 40 to 800, so most confidences round to 1
  kNearEdge,   // confidences within 2e-7 of an edge k / 15: the rows that a float32 path computes again
  kTied,       // small whole numbers
  kProbs,      // probabilities
};

inline const char* name_of(Rows rows) {
  switch (rows) {
    case Rows::kSaturated:
      return "saturated";
    case Rows::kNearEdge:
      return "edge";
    case Rows::kTied:
      return "tied";
    case Rows::kProbs:
      return "probs";
    default:
      return "plain";
  }
}

inline size_t size_of(ScoreType type) {
  return type == ScoreType::kFloat64 ? 8 : type == ScoreType::kFloat32 ? 4 : 2;
}
inline const char* name_of(ScoreType type) {
  switch (type) {
    case ScoreType::kFloat64:
      return "f64";
    case ScoreType::kFloat32:
      return "f32";
    case ScoreType::kBFloat16:
      return "bf16";
    default:
      return "f16";
  }
}

// To the nearest bfloat16, ties to even.
inline uint16_t bfloat16_bits(float value) {
  uint32_t raw;
  std::memcpy(&raw, &value, sizeof(raw));
  return static_cast<uint16_t>((raw + 0x7fffu + ((raw >> 16) & 1u)) >> 16);
}

// To float16, cut off after its last bit (which of two neighbours is taken is all the same here); |value| <
// 65504, or NaN.
inline uint16_t float16_bits(double value) {
  if (std::isnan(value)) return 0x7e00u;
  const uint16_t sign = std::signbit(value) ? 0x8000u : 0u;
  const double magnitude = std::fabs(value);
  if (magnitude < 0x1p-14) return static_cast<uint16_t>(sign | static_cast<uint16_t>(magnitude * 0x1p24));
  const int exponent = std::ilogb(magnitude);
  const double mantissa = std::scalbn(magnitude, 10 - exponent) - 1024.0;
  return static_cast<uint16_t>(sign | (exponent + 15) << 10 | static_cast<uint16_t>(mantissa));
}

inline void put(Buffer& buffer, ScoreType type, int64_t index, double value) {
  switch (type) {
    case ScoreType::kFloat64:
      buffer.as<double>()[index] = value;
      break;
    case ScoreType::kFloat32:
      buffer.as<float>()[index] = static_cast<float>(value);
      break;
    case ScoreType::kBFloat16:
      buffer.as<uint16_t>()[index] = bfloat16_bits(static_cast<float>(value));
      break;
    case ScoreType::kFloat16:
      buffer.as<uint16_t>()[index] = float16_bits(value);
      break;
  }
}

inline double get(const Buffer& buffer, ScoreType type, int64_t index) {
  switch (type) {
    case ScoreType::kFloat64:
      return buffer.as<double>()[index];
    case ScoreType::kFloat32:
      return to_double(buffer.as<float>()[index]);
    case ScoreType::kBFloat16:
      return to_double(buffer.as<BFloat16>()[index]);
    default:
      return to_double(buffer.as<Float16>()[index]);
  }
}

// log((c / (1 - c)) of c = k / 15, k = 2 .. 14, by table: the inputs must not depend on a libm.
constexpr double kLogOdds[] = {
    -1.8718021769015913, -1.3862943611198906, -1.0116009116784799, -0.6931471805599453, -0.4054651081081644,
    -0.1335313926245226, 0.1335313926245226,  0.4054651081081644,  0.6931471805599453,  1.0116009116784799,
    1.3862943611198906,  1.8718021769015913,  2.6390573296152586};
constexpr int kLogOddsCount = static_cast<int>(sizeof(kLogOdds) / sizeof(kLogOdds[0]));

// One row of K numbers, before they are stored; `scale` 3 gives a confident network's logits.
inline void fill_row(Random& random, Rows rows, int64_t label, std::vector<double>& row) {
  const int64_t K = static_cast<int64_t>(row.size());
  if (rows == Rows::kNearEdge) {
    // K = 2 exactly on an edge but for a nudge; with more classes the others are far below.
    for (double& x : row) x = -60.0;
    const double odds = kLogOdds[random.below(kLogOddsCount)] + (random.uniform() - 0.5) * 4e-7;
    const int64_t top = K > 1 && random.below(3) == 0 ? (label + 1) % K : label;
    row[static_cast<size_t>(top)] = odds;
    if (K > 1) row[static_cast<size_t>((top + 1) % K)] = 0.0;
    return;
  }
  for (double& x : row) x = rows == Rows::kTied ? static_cast<double>(random.below(3)) : 5.0 * random.bell();
  const bool right = random.below(3) != 0;
  const int64_t top = right ? label : random.below(K);
  row[static_cast<size_t>(top)] +=
      rows == Rows::kSaturated ? 40.0 + static_cast<double>(random.below(760)) : 4.0;
  if (rows != Rows::kProbs) return;
  double total = 0.0;
  for (double& x : row) {
    x = (x + 12.0) * (x + 12.0) * (x + 12.0);  // positive, since a bell lies above -2
    total += x;
  }
  for (double& x : row) x /= total;
}

// FNV-1a: what a case's inputs hold, so that only equal ones are compared between commits.
inline uint64_t digest(const void* data, size_t bytes, uint64_t hash = 0xcbf29ce484222325u) {
  const unsigned char* at = static_cast<const unsigned char*>(data);
  for (size_t i = 0; i < bytes; ++i) hash = (hash ^ at[i]) * 0x100000001b3u;
  return hash;
}

}  // namespace calibench::perf
