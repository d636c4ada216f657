// Vectors of whole numbers as plain C++ loops; integers512.h and integers256.h explain them. After
// portable.h.
#pragma once

namespace calibench::CALIBENCH_ISA {

struct U {
  uint64_t v[8];
};
CALIBENCH_INLINE U set_integer(uint64_t x) {
  U r;
  CALIBENCH_LANES(8) r.v[l] = x;
  return r;
}
CALIBENCH_INLINE U count_from(uint64_t x) {
  U r;
  CALIBENCH_LANES(8) r.v[l] = x + static_cast<uint64_t>(l);
  return r;
}
CALIBENCH_INLINE U multiply(const U& a, const U& b) {
  U r;
  CALIBENCH_LANES(8)
  r.v[l] = static_cast<uint64_t>(static_cast<uint32_t>(a.v[l])) * static_cast<uint32_t>(b.v[l]);
  return r;
}
CALIBENCH_INLINE U high_half(const U& a) {
  U r;
  CALIBENCH_LANES(8) r.v[l] = a.v[l] >> 32;
  return r;
}
CALIBENCH_INLINE U high_word(const U& a) { return high_half(a); }
CALIBENCH_INLINE U exclusive_or(const U& a, const U& b, const U& c) {
  U r;
  CALIBENCH_LANES(8) r.v[l] = a.v[l] ^ b.v[l] ^ c.v[l];
  return r;
}
CALIBENCH_INLINE void store(uint64_t* p, const U& a) { memcpy(p, a.v, sizeof(a.v)); }

struct W {
  int16_t v[16];
};
struct V {
  int32_t v[8];
};
CALIBENCH_INLINE W set_words(int16_t x) {
  W r;
  CALIBENCH_LANES(16) r.v[l] = x;
  return r;
}
CALIBENCH_INLINE V set_sums(int32_t x) {
  V r;
  CALIBENCH_LANES(8) r.v[l] = x;
  return r;
}
CALIBENCH_INLINE W load_words(const int16_t* p) {
  W r;
  memcpy(r.v, p, sizeof(r.v));
  return r;
}
CALIBENCH_INLINE W widen_bytes(const uint8_t* p) {
  W r;
  CALIBENCH_LANES(16) r.v[l] = p[l];
  return r;
}
CALIBENCH_INLINE V multiply_pairs(const W& a, const W& b) {
  V r;
  CALIBENCH_LANES(8) r.v[l] = a.v[2 * l] * b.v[2 * l] + a.v[2 * l + 1] * b.v[2 * l + 1];
  return r;
}
CALIBENCH_INLINE W words_of(const V& a) {
  W r;
  memcpy(r.v, a.v, sizeof(r.v));
  return r;
}
CALIBENCH_INLINE V load_sums(const int32_t* p) {
  V r;
  memcpy(r.v, p, sizeof(r.v));
  return r;
}
CALIBENCH_INLINE unsigned bits_above(const V& a, const V& b) {
  unsigned bits = 0;
  CALIBENCH_LANES(8) bits |= static_cast<unsigned>(a.v[l] > b.v[l]) << l;
  return bits;
}
CALIBENCH_INLINE V count_at_most(const U& a, uint32_t limit) {
  V r;
  CALIBENCH_LANES(8) r.v[l] = static_cast<uint32_t>(a.v[l]) <= limit ? 1 : 0;
  return r;
}
CALIBENCH_INLINE uint64_t* append(uint64_t* out, const U& x, const U& y, unsigned chosen) {
  for (; chosen != 0; chosen &= chosen - 1) {
    const int l = __builtin_ctz(chosen);
    *out++ = static_cast<uint32_t>(x.v[l]) | y.v[l] << 32;
  }
  return out;
}
CALIBENCH_INLINE V operator+(const V& a, const V& b) {
  V r;
  CALIBENCH_LANES(8) r.v[l] = a.v[l] + b.v[l];
  return r;
}
CALIBENCH_INLINE void store(int32_t* p, const V& a) { memcpy(p, a.v, sizeof(a.v)); }

}  // namespace calibench::CALIBENCH_ISA
