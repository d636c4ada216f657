// 8 unsigned 64-bit integers in two AVX2 registers.
#pragma once

#include "x86.h"

namespace calibench::CALIBENCH_ISA {

// `multiply` reads the low halves of the lanes and ignores the high halves.
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
// Moves the high halves to the low halves, for `multiply`; the high halves of the result are unspecified. A
// shuffle runs on another port than a shift.
CALIBENCH_INLINE U high_word(U x) {
  return {_mm256_shuffle_epi32(x.a, 0xf5), _mm256_shuffle_epi32(x.b, 0xf5)};
}
CALIBENCH_INLINE U exclusive_or(U x, U y, U z) {
  return {_mm256_xor_si256(_mm256_xor_si256(x.a, y.a), z.a),
          _mm256_xor_si256(_mm256_xor_si256(x.b, y.b), z.b)};
}
CALIBENCH_INLINE void store(uint64_t* p, U x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x.a);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 4), x.b);
}

// The places of the chosen ones of 4 lanes, each as two words, for `append`.
alignas(32) static const int32_t kChosen[16][8] = {
    {0, 0, 0, 0, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0, 0, 0}, {2, 3, 0, 0, 0, 0, 0, 0}, {0, 1, 2, 3, 0, 0, 0, 0},
    {4, 5, 0, 0, 0, 0, 0, 0}, {0, 1, 4, 5, 0, 0, 0, 0}, {2, 3, 4, 5, 0, 0, 0, 0}, {0, 1, 2, 3, 4, 5, 0, 0},
    {6, 7, 0, 0, 0, 0, 0, 0}, {0, 1, 6, 7, 0, 0, 0, 0}, {2, 3, 6, 7, 0, 0, 0, 0}, {0, 1, 2, 3, 6, 7, 0, 0},
    {4, 5, 6, 7, 0, 0, 0, 0}, {0, 1, 4, 5, 6, 7, 0, 0}, {2, 3, 4, 5, 6, 7, 0, 0}, {0, 1, 2, 3, 4, 5, 6, 7}};

CALIBENCH_INLINE uint64_t* append_half(uint64_t* out, __m256i x, __m256i y, unsigned chosen) {
  const __m256i both = _mm256_blend_epi32(x, _mm256_slli_epi64(y, 32), 0xaa);
  const __m256i places = _mm256_load_si256(reinterpret_cast<const __m256i*>(kChosen[chosen]));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permutevar8x32_epi32(both, places));
  return out + __builtin_popcount(chosen);
}
// Appends the low halves of the chosen lanes of x, each below the low half of y, to `out`, which has room for
// 8. Returns its new end.
CALIBENCH_INLINE uint64_t* append(uint64_t* out, U x, U y, unsigned chosen) {
  return append_half(append_half(out, x.a, y.a, chosen & 15), x.b, y.b, chosen >> 4);
}

// 1 in each lane whose low half is at most `limit`, else 0.
CALIBENCH_INLINE V count_at_most(U x, uint32_t limit) {
  const __m256 low =
      _mm256_shuffle_ps(_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b), _MM_SHUFFLE(2, 0, 2, 0));
  const __m256i words = _mm256_permute4x64_epi64(_mm256_castps_si256(low), _MM_SHUFFLE(3, 1, 2, 0));
  const __m256i most = _mm256_set1_epi32(static_cast<int32_t>(limit));
  const __m256i hit = _mm256_cmpeq_epi32(_mm256_min_epu32(words, most), words);
  return {_mm256_srli_epi32(hit, 31)};
}

}  // namespace calibench::CALIBENCH_ISA
