// Code that AVX2 and AVX-512 share: loads of four scores, and products of 16-bit words for sums of drawn
// confidences. Those sums wait for memory, so wider registers would not be faster.
#pragma once

#include "scalar.h"

namespace calibench::CALIBENCH_ISA {

CALIBENCH_INLINE __m128 load4(const float* p) { return _mm_loadu_ps(p); }
CALIBENCH_INLINE __m128 load4(const BFloat16* p) {
  const __m128i raw = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm_castsi128_ps(_mm_slli_epi32(_mm_cvtepu16_epi32(raw), 16));
}
CALIBENCH_INLINE __m128 load4(const Float16* p) {
  return _mm_cvtph_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
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
CALIBENCH_INLINE W words_of(V x) { return {x.v}; }
CALIBENCH_INLINE V load_sums(const int32_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
}
// The set of lanes in which x is above y.
CALIBENCH_INLINE unsigned bits_above(V x, V y) {
  return static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(x.v, y.v))));
}
CALIBENCH_INLINE V operator+(V x, V y) { return {_mm256_add_epi32(x.v, y.v)}; }
CALIBENCH_INLINE void store(int32_t* p, V x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x.v); }

}  // namespace calibench::CALIBENCH_ISA
