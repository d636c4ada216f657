// 8 unsigned 64-bit integers in two AVX2 registers. AVX-512 uses them too: three ports take 256-bit integer
// work and two take 512-bit work, and a bootstrap draw costs 3.4 cycles in place of 4.5.
#pragma once

#include "scalar.h"

namespace calibench::CALIBENCH_ISA {

CALIBENCH_INLINE __m256i exclusive_or_half(__m256i x, __m256i y, __m256i z) {
#if defined(__AVX512VL__)
  return _mm256_ternarylogic_epi64(x, y, z, 0x96);
#else
  return _mm256_xor_si256(_mm256_xor_si256(x, y), z);
#endif
}

// `multiply` takes the low halves of the lanes, whatever the high halves hold.
struct U {
  __m256i a, b;
};
CALIBENCH_INLINE U set_integer(uint64_t x) {
  const __m256i all = _mm256_set1_epi64x(static_cast<int64_t>(x));
  return {all, all};
}
CALIBENCH_INLINE U count_from(uint64_t x) {
  const __m256i all = _mm256_set1_epi64x(static_cast<int64_t>(x));
  return {_mm256_add_epi64(all, _mm256_setr_epi64x(0, 1, 2, 3)),
          _mm256_add_epi64(all, _mm256_setr_epi64x(4, 5, 6, 7))};
}
CALIBENCH_INLINE U multiply(U x, U y) { return {_mm256_mul_epu32(x.a, y.a), _mm256_mul_epu32(x.b, y.b)}; }
CALIBENCH_INLINE U high_half(U x) { return {_mm256_srli_epi64(x.a, 32), _mm256_srli_epi64(x.b, 32)}; }
// The high halves where `multiply` reads; what the rest of the lanes holds does not matter. A shuffle, which
// takes another port than the shift.
CALIBENCH_INLINE U high_word(U x) {
  return {_mm256_shuffle_epi32(x.a, 0xf5), _mm256_shuffle_epi32(x.b, 0xf5)};
}
CALIBENCH_INLINE U exclusive_or(U x, U y, U z) {
  return {exclusive_or_half(x.a, y.a, z.a), exclusive_or_half(x.b, y.b, z.b)};
}
CALIBENCH_INLINE void store(uint64_t* p, U x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x.a);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 4), x.b);
}

// 16 signed 16-bit words, and 8 signed 32-bit sums of products of neighbouring words.
struct W {
  __m256i v;
};
struct V {
  __m256i v;
};
CALIBENCH_INLINE W set_words(int16_t x) { return {_mm256_set1_epi16(x)}; }
CALIBENCH_INLINE V set_sums(int32_t x) { return {_mm256_set1_epi32(x)}; }
CALIBENCH_INLINE W load_words(const int16_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
}
CALIBENCH_INLINE W widen_bytes(const uint8_t* p) {
  return {_mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
CALIBENCH_INLINE V multiply_pairs(W x, W y) { return {_mm256_madd_epi16(x.v, y.v)}; }
CALIBENCH_INLINE V operator+(V x, V y) { return {_mm256_add_epi32(x.v, y.v)}; }
CALIBENCH_INLINE void store(int32_t* p, V x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x.v); }

}  // namespace calibench::CALIBENCH_ISA
