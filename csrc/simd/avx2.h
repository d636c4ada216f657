// Vectors for AVX2 + FMA + F16C: D is 8 doubles and F is 16 floats, in two
// registers each; G is 8 floats in one. avx512.h explains the functions.
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
CALIBENCH_INLINE Mask8 differ(D x, D y) {
  return {_mm256_cmp_pd(x.a, y.a, _CMP_NEQ_UQ), _mm256_cmp_pd(x.b, y.b, _CMP_NEQ_UQ)};
}
CALIBENCH_INLINE D keep(Mask8 m, D x) { return {_mm256_and_pd(m.a, x.a), _mm256_and_pd(m.b, x.b)}; }
CALIBENCH_INLINE __m256d count_half(__m256d n, __m256d m) {
  return _mm256_castsi256_pd(_mm256_sub_epi64(_mm256_castpd_si256(n), _mm256_castpd_si256(m)));
}
CALIBENCH_INLINE D count_lanes(D n, Mask8 m) { return {count_half(n.a, m.a), count_half(n.b, m.b)}; }
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

// With the biased exponent in its low bits, 2^52 becomes 2^52 + exponent.
CALIBENCH_INLINE __m256d exponent_half(__m256i raw) {
  const __m256i exponent =
      _mm256_or_si256(_mm256_srli_epi64(raw, 52), _mm256_set1_epi64x(0x4330000000000000));
  return _mm256_sub_pd(_mm256_castsi256_pd(exponent), _mm256_set1_pd(0x1p52 + 1023));
}
CALIBENCH_INLINE D exponent(D x) {
  return {exponent_half(_mm256_castpd_si256(x.a)), exponent_half(_mm256_castpd_si256(x.b))};
}
// The bits of a number are nearly its logarithm: a shift by those of sqrt(1/2) moves the change of exponent.
CALIBENCH_INLINE void split_half(__m256d a, __m256d* m, __m256d* e) {
  const __m256i root = _mm256_set1_epi64x(kRootHalfBits);
  const __m256i raw =
      _mm256_add_epi64(_mm256_castpd_si256(a), _mm256_set1_epi64x(0x3ff0000000000000 - kRootHalfBits));
  const __m256i mantissa = _mm256_and_si256(raw, _mm256_set1_epi64x(0x000fffffffffffff));
  *m = _mm256_castsi256_pd(_mm256_add_epi64(mantissa, root));
  *e = exponent_half(raw);
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

CALIBENCH_INLINE __m256 scale_half(__m256 p, __m256 shifted) {  // a product, so that NaN stays NaN
  return _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(shifted), 23)));
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
CALIBENCH_INLINE D load8(const int32_t* p) {
  return {_mm256_cvtepi32_pd(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
          _mm256_cvtepi32_pd(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 4)))};
}
CALIBENCH_INLINE D load8(const uint8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepi32_pd(_mm_cvtepu8_epi32(bytes)),
          _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(_mm_srli_si128(bytes, 4)))};
}
template <typename T>
CALIBENCH_INLINE D load8(const T* p) {
  return widen(load_half(p));
}

CALIBENCH_INLINE void store_integers(int32_t* p, D x) {
  const __m256i eight =
      _mm256_inserti128_si256(_mm256_castsi128_si256(_mm256_cvttpd_epi32(x.a)), _mm256_cvttpd_epi32(x.b), 1);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), eight);
}
CALIBENCH_INLINE __m256d equal_half(const int64_t* p, const int64_t* q) {
  return _mm256_castsi256_pd(_mm256_cmpeq_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
                                                _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q))));
}
CALIBENCH_INLINE Mask8 equal(const int64_t* p, const int64_t* q) {
  return {equal_half(p, q), equal_half(p + 4, q + 4)};
}
CALIBENCH_INLINE void store_or_minus_one(int64_t* p, Mask8 m, const int64_t* q) {
  const __m256d all = _mm256_castsi256_pd(_mm256_set1_epi64x(-1));
  const double* from = reinterpret_cast<const double*>(q);  // the bits only
  double* to = reinterpret_cast<double*>(p);
  _mm256_storeu_pd(to, _mm256_or_pd(_mm256_loadu_pd(from), _mm256_xor_pd(m.a, all)));
  _mm256_storeu_pd(to + 4, _mm256_or_pd(_mm256_loadu_pd(from + 4), _mm256_xor_pd(m.b, all)));
}
CALIBENCH_INLINE void store_integers(int64_t* p, D x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_cvtepi32_epi64(_mm256_cvttpd_epi32(x.a)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 4), _mm256_cvtepi32_epi64(_mm256_cvttpd_epi32(x.b)));
}

struct MaskG {
  __m256 v;
};
struct G {
  __m256 v;
};
constexpr int kGroup = 8;

CALIBENCH_INLINE D set_like(D, double x) { return set(x); }
CALIBENCH_INLINE F set_like(F, float x) { return set(x); }
CALIBENCH_INLINE G set_like(G, float x) { return {_mm256_set1_ps(x)}; }
CALIBENCH_INLINE G load_group(const float* p) { return {_mm256_loadu_ps(p)}; }
CALIBENCH_INLINE G operator+(G x, G y) { return {_mm256_add_ps(x.v, y.v)}; }
CALIBENCH_INLINE G operator-(G x, G y) { return {_mm256_sub_ps(x.v, y.v)}; }
CALIBENCH_INLINE G operator*(G x, G y) { return {_mm256_mul_ps(x.v, y.v)}; }
CALIBENCH_INLINE G operator/(G x, G y) { return {_mm256_div_ps(x.v, y.v)}; }
CALIBENCH_INLINE G fma(G x, G y, G z) { return {_mm256_fmadd_ps(x.v, y.v, z.v)}; }
CALIBENCH_INLINE G fms(G x, G y, G z) { return {_mm256_fmsub_ps(x.v, y.v, z.v)}; }
CALIBENCH_INLINE G max(G x, G y) { return {_mm256_max_ps(x.v, y.v)}; }
CALIBENCH_INLINE G scale(G p, G shifted) { return {scale_half(p.v, shifted.v)}; }
CALIBENCH_INLINE MaskG less(G x, G y) { return {_mm256_cmp_ps(x.v, y.v, _CMP_LT_OQ)}; }
CALIBENCH_INLINE MaskG equal(G x, G y) { return {_mm256_cmp_ps(x.v, y.v, _CMP_EQ_OQ)}; }
CALIBENCH_INLINE MaskG differ(G x, G y) { return {_mm256_cmp_ps(x.v, y.v, _CMP_NEQ_UQ)}; }
CALIBENCH_INLINE unsigned bits(MaskG m) { return static_cast<unsigned>(_mm256_movemask_ps(m.v)); }
CALIBENCH_INLINE G keep(MaskG m, G x) { return {_mm256_and_ps(m.v, x.v)}; }
CALIBENCH_INLINE G select(MaskG m, G yes, G no) { return {_mm256_blendv_ps(no.v, yes.v, m.v)}; }
// Sets bit j of the mask's lanes, in a set of up to 32 classes.
CALIBENCH_INLINE G set_bit(G set, MaskG m, int64_t j) {
  const __m256 bit = _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int32_t>(kBits[j])));
  return {_mm256_or_ps(set.v, _mm256_and_ps(m.v, bit))};
}
CALIBENCH_INLINE G complement(G set, int64_t n) {
  const __m256 all = _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int32_t>(~0u >> (32 - n))));
  return {_mm256_andnot_ps(set.v, all)};
}
// The lowest bit of each set, and the lanes whose set has more than one.
CALIBENCH_INLINE G lowest_bit(G set, unsigned* several) {
  const __m256i bits = _mm256_castps_si256(set.v), zero = _mm256_setzero_si256();
  const __m256i lowest = _mm256_and_si256(bits, _mm256_sub_epi32(zero, bits));
  const __m256i single = _mm256_cmpeq_epi32(bits, lowest);
  *several = ~static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(single))) & 0xffu;
  const __m256i power = _mm256_castps_si256(_mm256_cvtepi32_ps(lowest));  // bit 31 becomes -2^31
  const __m256i biased = _mm256_and_si256(_mm256_srli_epi32(power, 23), _mm256_set1_epi32(0xff));
  return {_mm256_cvtepi32_ps(_mm256_sub_epi32(biased, _mm256_set1_epi32(127)))};
}
CALIBENCH_INLINE void store_cells(int32_t* p, G z, int32_t last, MaskG hit) {
  const __m256i bin = _mm256_min_epi32(_mm256_cvttps_epi32(z.v), _mm256_set1_epi32(last));
  const __m256i cell = _mm256_sub_epi32(_mm256_add_epi32(bin, bin), _mm256_castps_si256(hit.v));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), cell);
}
CALIBENCH_INLINE G exponent(G x) {
  const __m256i biased = _mm256_srli_epi32(_mm256_castps_si256(x.v), 23);
  return {_mm256_cvtepi32_ps(_mm256_sub_epi32(biased, _mm256_set1_epi32(127)))};
}
CALIBENCH_INLINE void split(G x, G* m, G* e) {
  const __m256i root = _mm256_set1_epi32(kRootHalfBitsF);
  const __m256i raw =
      _mm256_add_epi32(_mm256_castps_si256(x.v), _mm256_set1_epi32(0x3f800000 - kRootHalfBitsF));
  const __m256i mantissa = _mm256_and_si256(raw, _mm256_set1_epi32(0x007fffff));
  *m = {_mm256_castsi256_ps(_mm256_add_epi32(mantissa, root))};
  *e = exponent(G{_mm256_castsi256_ps(raw)});
}
CALIBENCH_INLINE D widen(G x, int) { return widen(x.v); }
CALIBENCH_INLINE G narrow(const D* x) {
  return {_mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(x->a)), _mm256_cvtpd_ps(x->b), 1)};
}
CALIBENCH_INLINE MaskG equal_group(const int64_t* p, const int64_t* q) {
  const __m256 mixed =
      _mm256_shuffle_ps(_mm256_castpd_ps(equal_half(p, q)), _mm256_castpd_ps(equal_half(p + 4, q + 4)), 0x88);
  return {_mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), 0xd8))};
}
CALIBENCH_INLINE void store_group(float* p, G x) { _mm256_storeu_ps(p, x.v); }
CALIBENCH_INLINE G count_lanes(G n, MaskG m) {  // a lane of the mask is -1 as a whole number
  return {_mm256_castsi256_ps(_mm256_sub_epi32(_mm256_castps_si256(n.v), _mm256_castps_si256(m.v)))};
}
CALIBENCH_INLINE void store_integers(int64_t* p, G x) {
  const __m256i whole = _mm256_cvttps_epi32(x.v);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_cvtepi32_epi64(_mm256_castsi256_si128(whole)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 4),
                      _mm256_cvtepi32_epi64(_mm256_extracti128_si256(whole, 1)));
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
