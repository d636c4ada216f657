// Vectors for AVX2 + FMA + F16C: D is 8 doubles and F is 16 floats, in two
// registers each. avx512.h explains the functions.
#pragma once

#include "integers256.h"
#include "scalar.h"

namespace calibench::CALIBENCH_ISA {

inline constexpr bool kHasFma = true;

struct Mask8 {
  __m256d a, b;
};
struct Mask16 {
  __m256 a, b;
};
struct D {
  __m256d a, b;
};
struct F {
  __m256 a, b;
};

CALIBENCH_INLINE D set(double x) { return {_mm256_set1_pd(x), _mm256_set1_pd(x)}; }
CALIBENCH_INLINE F set(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
CALIBENCH_INLINE D load(const double* p) { return {_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)}; }
CALIBENCH_INLINE F load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
CALIBENCH_INLINE void store(double* p, D x) {
  _mm256_storeu_pd(p, x.a);
  _mm256_storeu_pd(p + 4, x.b);
}
CALIBENCH_INLINE void store(float* p, F x) {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
}

CALIBENCH_INLINE D operator+(D x, D y) { return {_mm256_add_pd(x.a, y.a), _mm256_add_pd(x.b, y.b)}; }
CALIBENCH_INLINE D operator-(D x, D y) { return {_mm256_sub_pd(x.a, y.a), _mm256_sub_pd(x.b, y.b)}; }
CALIBENCH_INLINE D operator*(D x, D y) { return {_mm256_mul_pd(x.a, y.a), _mm256_mul_pd(x.b, y.b)}; }
CALIBENCH_INLINE D operator/(D x, D y) { return {_mm256_div_pd(x.a, y.a), _mm256_div_pd(x.b, y.b)}; }
CALIBENCH_INLINE D fma(D x, D y, D z) {
  return {_mm256_fmadd_pd(x.a, y.a, z.a), _mm256_fmadd_pd(x.b, y.b, z.b)};
}
CALIBENCH_INLINE D fnma(D x, D y, D z) {
  return {_mm256_fnmadd_pd(x.a, y.a, z.a), _mm256_fnmadd_pd(x.b, y.b, z.b)};
}
CALIBENCH_INLINE D max(D x, D y) { return {_mm256_max_pd(x.a, y.a), _mm256_max_pd(x.b, y.b)}; }
CALIBENCH_INLINE D min(D x, D y) { return {_mm256_min_pd(x.a, y.a), _mm256_min_pd(x.b, y.b)}; }
CALIBENCH_INLINE D abs(D x) {
  const __m256d sign = _mm256_set1_pd(-0.0);
  return {_mm256_andnot_pd(sign, x.a), _mm256_andnot_pd(sign, x.b)};
}

CALIBENCH_INLINE Mask8 less(D x, D y) {
  return {_mm256_cmp_pd(x.a, y.a, _CMP_LT_OQ), _mm256_cmp_pd(x.b, y.b, _CMP_LT_OQ)};
}
CALIBENCH_INLINE Mask8 equal(D x, D y) {
  return {_mm256_cmp_pd(x.a, y.a, _CMP_EQ_OQ), _mm256_cmp_pd(x.b, y.b, _CMP_EQ_OQ)};
}
CALIBENCH_INLINE unsigned bits(Mask8 m) {
  return static_cast<unsigned>(_mm256_movemask_pd(m.a)) | static_cast<unsigned>(_mm256_movemask_pd(m.b)) << 4;
}
CALIBENCH_INLINE Mask8 mask8(unsigned bits) {
  const __m256i all = _mm256_set1_epi64x(bits);
  const __m256i low = _mm256_setr_epi64x(1, 2, 4, 8), high = _mm256_setr_epi64x(16, 32, 64, 128);
  return {_mm256_castsi256_pd(_mm256_cmpeq_epi64(_mm256_and_si256(all, low), low)),
          _mm256_castsi256_pd(_mm256_cmpeq_epi64(_mm256_and_si256(all, high), high))};
}
CALIBENCH_INLINE D select(Mask8 m, D yes, D no) {
  return {_mm256_blendv_pd(no.a, yes.a, m.a), _mm256_blendv_pd(no.b, yes.b, m.b)};
}

CALIBENCH_INLINE __m256d scale_half(__m256d p, __m256d shifted) {
  const __m256i n = _mm256_slli_epi64(_mm256_castpd_si256(shifted), 52);
  return _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(p), n));
}
CALIBENCH_INLINE D scale(D p, D shifted) { return {scale_half(p.a, shifted.a), scale_half(p.b, shifted.b)}; }

CALIBENCH_INLINE void split_half(__m256d a, __m256d* m, __m256d* e) {
  const __m256i raw = _mm256_castpd_si256(a);
  const __m256i mantissa = _mm256_and_si256(raw, _mm256_set1_epi64x(0x000fffffffffffff));
  *m = _mm256_castsi256_pd(_mm256_or_si256(mantissa, _mm256_set1_epi64x(0x3ff0000000000000)));
  // With the biased exponent in its low bits, 2^52 becomes 2^52 + exponent.
  const __m256i exponent =
      _mm256_or_si256(_mm256_srli_epi64(raw, 52), _mm256_set1_epi64x(0x4330000000000000));
  *e = _mm256_sub_pd(_mm256_castsi256_pd(exponent), _mm256_set1_pd(0x1p52 + 1023));
}
CALIBENCH_INLINE void split(D x, D* m, D* e) {
  split_half(x.a, &m->a, &e->a);
  split_half(x.b, &m->b, &e->b);
}

CALIBENCH_INLINE double sum(D x) {
  const __m256d four = _mm256_add_pd(x.a, x.b);
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}
CALIBENCH_INLINE double largest(D x) {
  const __m256d four = _mm256_max_pd(x.a, x.b);
  const __m128d two = _mm_max_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_max_sd(two, _mm_unpackhi_pd(two, two)));
}
CALIBENCH_INLINE double smallest(D x) {
  const __m256d four = _mm256_min_pd(x.a, x.b);
  const __m128d two = _mm_min_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_min_sd(two, _mm_unpackhi_pd(two, two)));
}

CALIBENCH_INLINE F operator+(F x, F y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
CALIBENCH_INLINE F operator-(F x, F y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
CALIBENCH_INLINE F operator*(F x, F y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
CALIBENCH_INLINE F fma(F x, F y, F z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
CALIBENCH_INLINE F fms(F x, F y, F z) {
  return {_mm256_fmsub_ps(x.a, y.a, z.a), _mm256_fmsub_ps(x.b, y.b, z.b)};
}
CALIBENCH_INLINE F max(F x, F y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
CALIBENCH_INLINE F min(F x, F y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
CALIBENCH_INLINE Mask16 less(F x, F y) {
  return {_mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ)};
}
CALIBENCH_INLINE Mask16 equal(F x, F y) {
  return {_mm256_cmp_ps(x.a, y.a, _CMP_EQ_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_EQ_OQ)};
}
CALIBENCH_INLINE unsigned bits(Mask16 m) {
  return static_cast<unsigned>(_mm256_movemask_ps(m.a)) | static_cast<unsigned>(_mm256_movemask_ps(m.b)) << 8;
}
CALIBENCH_INLINE F select(Mask16 m, F yes, F no) {
  return {_mm256_blendv_ps(no.a, yes.a, m.a), _mm256_blendv_ps(no.b, yes.b, m.b)};
}
CALIBENCH_INLINE float largest(F x) {
  const __m256 eight = _mm256_max_ps(x.a, x.b);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}
CALIBENCH_INLINE float first_lane(F x) { return _mm256_cvtss_f32(x.a); }
CALIBENCH_INLINE float smallest(F x) {
  const __m256 eight = _mm256_min_ps(x.a, x.b);
  const __m128 four = _mm_min_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_min_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_min_ss(two, _mm_shuffle_ps(two, two, 1)));
}
CALIBENCH_INLINE D widen(__m256 x) {
  return {_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))};
}
CALIBENCH_INLINE D low(F x) { return widen(x.a); }
CALIBENCH_INLINE D high(F x) { return widen(x.b); }

CALIBENCH_INLINE __m256 scale_half(__m256 p, __m256 shifted) {
  const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), n));
}
CALIBENCH_INLINE F scale(F p, F shifted) { return {scale_half(p.a, shifted.a), scale_half(p.b, shifted.b)}; }
CALIBENCH_INLINE F scale(F p, F, F shifted) { return scale(p, shifted); }

CALIBENCH_INLINE __m128i raw8(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
CALIBENCH_INLINE __m256 load_half(const BFloat16* p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(raw8(p)), 16));
}
CALIBENCH_INLINE __m256 load_half(const Float16* p) { return _mm256_cvtph_ps(raw8(p)); }
CALIBENCH_INLINE __m256 load_half(const float* p) { return _mm256_loadu_ps(p); }

template <typename T>
CALIBENCH_INLINE F load16(const T* p) {
  return {load_half(p), load_half(p + 8)};
}
CALIBENCH_INLINE D load8(const double* p) { return load(p); }
CALIBENCH_INLINE D load8(const uint8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepi32_pd(_mm_cvtepu8_epi32(bytes)),
          _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(_mm_srli_si128(bytes, 4)))};
}
template <typename T>
CALIBENCH_INLINE D load8(const T* p) {
  return widen(load_half(p));
}

// Four values from each of the four pointers, in that order.
template <typename T>
CALIBENCH_INLINE F quads(const T* p0, const T* p1, const T* p2, const T* p3) {
  return {_mm256_insertf128_ps(_mm256_castps128_ps256(load4(p0)), load4(p1), 1),
          _mm256_insertf128_ps(_mm256_castps128_ps256(load4(p2)), load4(p3), 1)};
}

CALIBENCH_INLINE void transpose_half(__m256* v0, __m256* v1, __m256* v2, __m256* v3) {
  const __m256d a = _mm256_castps_pd(_mm256_unpacklo_ps(*v0, *v1)),
                b = _mm256_castps_pd(_mm256_unpackhi_ps(*v0, *v1)),
                c = _mm256_castps_pd(_mm256_unpacklo_ps(*v2, *v3)),
                d = _mm256_castps_pd(_mm256_unpackhi_ps(*v2, *v3));
  *v0 = _mm256_castpd_ps(_mm256_unpacklo_pd(a, c));
  *v1 = _mm256_castpd_ps(_mm256_unpackhi_pd(a, c));
  *v2 = _mm256_castpd_ps(_mm256_unpacklo_pd(b, d));
  *v3 = _mm256_castpd_ps(_mm256_unpackhi_pd(b, d));
}

// Swaps lane 4 q + r of v[c] with lane 4 q + c of v[r], for q, r, c in 0 .. 3.
CALIBENCH_INLINE void transpose_quads(F* v) {
  transpose_half(&v[0].a, &v[1].a, &v[2].a, &v[3].a);
  transpose_half(&v[0].b, &v[1].b, &v[2].b, &v[3].b);
}

// The first n values, and `fill` in the other lanes. Memory past the n values is not read.
template <typename T>
CALIBENCH_INLINE F load16(const T* p, int64_t n, float fill) {
  alignas(32) float padded[16];
  for (int i = 0; i < 16; ++i) padded[i] = i < n ? to_float(p[i]) : fill;
  return load(padded);
}

}  // namespace calibench::CALIBENCH_ISA
