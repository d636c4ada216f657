// Inputs of the cases. They are the same on every machine, because they are sums and
// products of exact numbers and use no libm.
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
  // Nearly normal, with variance 1 / 3.
  double bell() { return uniform() + uniform() + uniform() + uniform() - 2.0; }

 private:
  uint64_t state_;
};

// The placement of a buffer in its allocation. The gates align buffers to 64 bytes. `--check` also uses
// offsets, so that vectors are not aligned by luck.
struct Placement {
  int64_t offset = 0;  // elements before the buffer
  bool exact = false;  // use malloc, so that AddressSanitizer's red zone starts right after the last element
};

// Zeroed memory for `count` elements of `size` bytes. With an exact placement it ends with the last element.
class Buffer {
 public:
  Buffer() = default;
  Buffer(int64_t count, size_t size, Placement placement) : bytes_(static_cast<size_t>(count) * size) {
    const size_t skipped_bytes = placement.exact ? static_cast<size_t>(placement.offset) * size : 0;
    const size_t total_bytes = skipped_bytes + bytes_;
    void* block = placement.exact ? std::malloc(total_bytes ? total_bytes : 1)
                                  : std::aligned_alloc(64, (total_bytes / 64 + 1) * 64);
    if (block == nullptr) throw std::bad_alloc();
    block_.reset(block);
    data_ = static_cast<unsigned char*>(block) + skipped_bytes;
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

// The kind of the rows.
enum class Rows {
  kPlain,      // the label leads in about two rows of three
  kSaturated,  // one class leads by 40 to 800, so most confidences round to 1
  kNearEdge,   // confidences within 2e-7 of an edge k / 15: rows that the float32 path computes again
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

// The bits of the nearest bfloat16, ties to even.
inline uint16_t bfloat16_bits(float value) {
  uint32_t raw;
  std::memcpy(&raw, &value, sizeof(raw));
  return static_cast<uint16_t>((raw + 0x7fffu + ((raw >> 16) & 1u)) >> 16);
}

// The bits of a float16, truncated: either of two neighbours will do here. |value| < 65504, or NaN.
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

// log(c / (1 - c)) for c = k / 15, k = 2 .. 14. It is a table because the inputs must not depend on a libm.
constexpr double kLogOdds[] = {
    -1.8718021769015913, -1.3862943611198906, -1.0116009116784799, -0.6931471805599453, -0.4054651081081644,
    -0.1335313926245226, 0.1335313926245226,  0.4054651081081644,  0.6931471805599453,  1.0116009116784799,
    1.3862943611198906,  1.8718021769015913,  2.6390573296152586};
constexpr int kLogOddsCount = static_cast<int>(sizeof(kLogOdds) / sizeof(kLogOdds[0]));

// Fills one row of K numbers in float64, which are then stored in the type of the matrix.
inline void fill_row(Random& random, Rows rows, int64_t label, std::vector<double>& row) {
  const int64_t K = static_cast<int64_t>(row.size());
  if (rows == Rows::kNearEdge) {
    // The confidence of two classes is on an edge, up to a tiny random shift. Further classes are far below.
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
    x = (x + 12.0) * (x + 12.0) * (x + 12.0);  // positive, because a bell is above -2
    total += x;
  }
  for (double& x : row) x /= total;
}

// The FNV-1a hash of memory. Two commits are compared only on cases whose inputs have equal hashes.
inline uint64_t digest(const void* data, size_t bytes, uint64_t hash = 0xcbf29ce484222325u) {
  const unsigned char* at = static_cast<const unsigned char*>(data);
  for (size_t i = 0; i < bytes; ++i) hash = (hash ^ at[i]) * 0x100000001b3u;
  return hash;
}

}  // namespace calibench::perf
