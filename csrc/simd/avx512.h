// Vectors for AVX-512 (F, DQ, BW, VL): D is 8 doubles and F is 16 floats, in one register each.
// avx2.h and portable.h define the same functions with the same lanes and operations, so all instruction sets
// with FMA agree to the last bit.
#pragma once

#include "integers512.h"
#include "scalar.h"

namespace calibench::CALIBENCH_ISA {

inline constexpr bool kHasFma = true;

struct Mask8 {
  __mmask8 bits;
};
struct Mask16 {
  __mmask16 bits;
};
struct D {
  __m512d v;
};
struct F {
  __m512 v;
};

CALIBENCH_INLINE D set(double x) { return {_mm512_set1_pd(x)}; }
CALIBENCH_INLINE F set(float x) { return {_mm512_set1_ps(x)}; }
CALIBENCH_INLINE D load(const double* p) { return {_mm512_loadu_pd(p)}; }
CALIBENCH_INLINE F load(const float* p) { return {_mm512_loadu_ps(p)}; }
CALIBENCH_INLINE void store(double* p, D a) { _mm512_storeu_pd(p, a.v); }
CALIBENCH_INLINE void store(float* p, F a) { _mm512_storeu_ps(p, a.v); }

CALIBENCH_INLINE D operator+(D a, D b) { return {_mm512_add_pd(a.v, b.v)}; }
CALIBENCH_INLINE D operator-(D a, D b) { return {_mm512_sub_pd(a.v, b.v)}; }
CALIBENCH_INLINE D operator*(D a, D b) { return {_mm512_mul_pd(a.v, b.v)}; }
CALIBENCH_INLINE D operator/(D a, D b) { return {_mm512_div_pd(a.v, b.v)}; }
CALIBENCH_INLINE D fma(D a, D b, D c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }
CALIBENCH_INLINE D fnma(D a, D b, D c) { return {_mm512_fnmadd_pd(a.v, b.v, c.v)}; }
CALIBENCH_INLINE D max(D a, D b) { return {_mm512_max_pd(a.v, b.v)}; }
CALIBENCH_INLINE D min(D a, D b) { return {_mm512_min_pd(a.v, b.v)}; }
CALIBENCH_INLINE D abs(D a) { return {_mm512_abs_pd(a.v)}; }

CALIBENCH_INLINE Mask8 less(D a, D b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_LT_OQ)}; }
CALIBENCH_INLINE Mask8 equal(D a, D b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_EQ_OQ)}; }
CALIBENCH_INLINE Mask8 differ(D a, D b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_NEQ_UQ)}; }
CALIBENCH_INLINE D keep(Mask8 m, D a) { return {_mm512_maskz_mov_pd(m.bits, a.v)}; }  // 0 elsewhere
// Adds 1 to the lanes of the mask. A count starts at kCountFrom (kCountFromF), whose last digit is worth 1.
CALIBENCH_INLINE D count_lanes(D n, Mask8 m) {
  return {_mm512_mask_add_pd(n.v, m.bits, n.v, _mm512_set1_pd(1.0))};
}
CALIBENCH_INLINE unsigned bits(Mask8 m) { return m.bits; }
CALIBENCH_INLINE Mask8 mask8(unsigned bits) { return {static_cast<__mmask8>(bits)}; }
CALIBENCH_INLINE D select(Mask8 m, D yes, D no) { return {_mm512_mask_blend_pd(m.bits, no.v, yes.v)}; }

// p * 2^n, with n in the low bits of `shifted` = n + 1.5 * 2^52.
CALIBENCH_INLINE D scale(D p, D shifted) {
  const __m512i n = _mm512_slli_epi64(_mm512_castpd_si512(shifted.v), 52);
  return {_mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(p.v), n))};
}

// The e with a in [2^e, 2^(e + 1)), for positive normal numbers; -1023 for smaller ones and for 0.
CALIBENCH_INLINE D exponent(D a) { return {_mm512_max_pd(_mm512_getexp_pd(a.v), _mm512_set1_pd(-1023.0))}; }
// Splits positive normal numbers: a = m * 2^e with m in [sqrt(1/2), sqrt(2)).
CALIBENCH_INLINE void split(D a, D* m, D* e) {
  const __m512i raw =
      _mm512_add_epi64(_mm512_castpd_si512(a.v), _mm512_set1_epi64(0x3ff0000000000000 - kRootHalfBits));
  const __m512i mantissa = _mm512_and_si512(raw, _mm512_set1_epi64(0x000fffffffffffff));
  *m = {_mm512_castsi512_pd(_mm512_add_epi64(mantissa, _mm512_set1_epi64(kRootHalfBits)))};
  *e = {_mm512_getexp_pd(_mm512_castsi512_pd(raw))};
}

// Adds lanes l and l + 4, then l and l + 2, then the last two. Every instruction set uses this order.
CALIBENCH_INLINE double sum(D a) {
  const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(a.v), _mm512_extractf64x4_pd(a.v, 1));
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}
CALIBENCH_INLINE double largest(D a) { return _mm512_reduce_max_pd(a.v); }
CALIBENCH_INLINE double smallest(D a) { return _mm512_reduce_min_pd(a.v); }

CALIBENCH_INLINE F operator+(F a, F b) { return {_mm512_add_ps(a.v, b.v)}; }
CALIBENCH_INLINE F operator-(F a, F b) { return {_mm512_sub_ps(a.v, b.v)}; }
CALIBENCH_INLINE F operator*(F a, F b) { return {_mm512_mul_ps(a.v, b.v)}; }
CALIBENCH_INLINE F fma(F a, F b, F c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
CALIBENCH_INLINE F fms(F a, F b, F c) { return {_mm512_fmsub_ps(a.v, b.v, c.v)}; }
CALIBENCH_INLINE F max(F a, F b) { return {_mm512_max_ps(a.v, b.v)}; }  // b if either is NaN
CALIBENCH_INLINE F min(F a, F b) { return {_mm512_min_ps(a.v, b.v)}; }
CALIBENCH_INLINE Mask16 less(F a, F b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
CALIBENCH_INLINE Mask16 equal(F a, F b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
CALIBENCH_INLINE unsigned bits(Mask16 m) { return m.bits; }
CALIBENCH_INLINE F select(Mask16 m, F yes, F no) { return {_mm512_mask_blend_ps(m.bits, no.v, yes.v)}; }
CALIBENCH_INLINE float largest(F a) { return _mm512_reduce_max_ps(a.v); }
CALIBENCH_INLINE float first_lane(F a) { return _mm512_cvtss_f32(a.v); }
CALIBENCH_INLINE float smallest(F a) { return _mm512_reduce_min_ps(a.v); }
CALIBENCH_INLINE D low(F a) { return {_mm512_cvtps_pd(_mm512_castps512_ps256(a.v))}; }
CALIBENCH_INLINE D high(F a) { return {_mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1))}; }

// p * 2^n, with n + 127 in the low bits of `shifted` = n + kRoundPowerF. A product, so that NaN stays NaN.
CALIBENCH_INLINE F scale(F p, F shifted) {
  return {_mm512_mul_ps(p.v, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(shifted.v), 23)))};
}
// The same from n itself: one instruction.
CALIBENCH_INLINE F scale(F p, F n, F) { return {_mm512_scalef_ps(p.v, n.v)}; }

CALIBENCH_INLINE F load16(const float* p) { return {_mm512_loadu_ps(p)}; }
CALIBENCH_INLINE F load16(const BFloat16* p) {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
}
CALIBENCH_INLINE F load16(const Float16* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}

CALIBENCH_INLINE D load8(const double* p) { return load(p); }
CALIBENCH_INLINE D load8(const int32_t* p) {
  return {_mm512_cvtepi32_pd(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
CALIBENCH_INLINE D load8(const uint8_t* p) {
  return {_mm512_cvtepi32_pd(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))))};
}
CALIBENCH_INLINE D load8(const float* p) { return {_mm512_cvtps_pd(_mm256_loadu_ps(p))}; }
CALIBENCH_INLINE D load8(const BFloat16* p) {
  const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return {_mm512_cvtps_pd(_mm256_castsi256_ps(_mm256_slli_epi32(wide, 16)))};
}
CALIBENCH_INLINE D load8(const Float16* p) {
  return {_mm512_cvtps_pd(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}

CALIBENCH_INLINE void store_integers(int32_t* p, D a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvttpd_epi32(a.v));
}
CALIBENCH_INLINE Mask8 equal(const int64_t* p, const int64_t* q) {
  return {_mm512_cmpeq_epi64_mask(_mm512_loadu_si512(p), _mm512_loadu_si512(q))};
}
CALIBENCH_INLINE void store_integers(int64_t* p, D a) { _mm512_storeu_si512(p, _mm512_cvttpd_epi64(a.v)); }
// Copies 8 integers, those outside the mask as -1.
CALIBENCH_INLINE void store_or_minus_one(int64_t* p, Mask8 m, const int64_t* q) {
  const __m512i minus_one = _mm512_set1_epi64(-1);
  _mm512_storeu_si512(p, _mm512_mask_blend_epi64(m.bits, minus_one, _mm512_loadu_si512(q)));
}

// G is as many floats as one register holds. Where every lane computes a row of its own, it leaves twice as
// many registers for constants as a pair would, and the results do not depend on its width.
using MaskG = Mask16;
using G = F;
constexpr int kGroup = 16;

CALIBENCH_INLINE D set_like(D, double x) { return set(x); }
CALIBENCH_INLINE F set_like(F, float x) { return set(x); }  // of the type of the first argument
CALIBENCH_INLINE G load_group(const float* p) { return load(p); }
CALIBENCH_INLINE G operator/(G a, G b) { return {_mm512_div_ps(a.v, b.v)}; }
CALIBENCH_INLINE MaskG differ(G a, G b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_NEQ_UQ)}; }
CALIBENCH_INLINE G keep(MaskG m, G a) { return {_mm512_maskz_mov_ps(m.bits, a.v)}; }
// Sets bit j of the mask's lanes, in a set of up to 32 classes.
CALIBENCH_INLINE G set_bit(G set, MaskG m, int64_t j) {
  const __m512i bits = _mm512_castps_si512(set.v), bit = _mm512_set1_epi32(static_cast<int32_t>(kBits[j]));
  return {_mm512_castsi512_ps(_mm512_mask_or_epi32(bits, m.bits, bits, bit))};
}
// The classes below n that are not in the set.
CALIBENCH_INLINE G complement(G set, int64_t n) {
  const __m512i all = _mm512_set1_epi32(static_cast<int32_t>(~0u >> (32 - n)));
  return {_mm512_castsi512_ps(_mm512_andnot_si512(_mm512_castps_si512(set.v), all))};
}
// The lowest bit of each set, and the lanes whose set has more than one.
CALIBENCH_INLINE G lowest_bit(G set, unsigned* several) {
  const __m512i bits = _mm512_castps_si512(set.v), zero = _mm512_setzero_si512();
  const __m512i lowest = _mm512_and_si512(bits, _mm512_sub_epi32(zero, bits));
  *several = _mm512_cmpneq_epi32_mask(bits, lowest);
  return {_mm512_getexp_ps(_mm512_cvtepi32_ps(lowest))};
}
// Stores 2 k + 1 for a hit and 2 k for a miss, with k = z rounded down, at most `last`.
CALIBENCH_INLINE void store_cells(int32_t* p, G z, int32_t last, MaskG hit) {
  const __m512i bin = _mm512_min_epi32(_mm512_cvttps_epi32(z.v), _mm512_set1_epi32(last));
  const __m512i twice = _mm512_add_epi32(bin, bin);
  _mm512_storeu_si512(p, _mm512_mask_add_epi32(twice, hit.bits, twice, _mm512_set1_epi32(1)));
}
CALIBENCH_INLINE G exponent(G a) { return {_mm512_max_ps(_mm512_getexp_ps(a.v), _mm512_set1_ps(-127.0f))}; }
CALIBENCH_INLINE void split(G a, G* m, G* e) {
  const __m512i raw =
      _mm512_add_epi32(_mm512_castps_si512(a.v), _mm512_set1_epi32(0x3f800000 - kRootHalfBitsF));
  const __m512i mantissa = _mm512_and_si512(raw, _mm512_set1_epi32(0x007fffff));
  *m = {_mm512_castsi512_ps(_mm512_add_epi32(mantissa, _mm512_set1_epi32(kRootHalfBitsF)))};
  *e = {_mm512_getexp_ps(_mm512_castsi512_ps(raw))};
}
// The lanes of kGroup / 8 vectors.
CALIBENCH_INLINE G narrow(const D* a) {
  return {_mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(a[0].v)), _mm512_cvtpd_ps(a[1].v), 1)};
}
CALIBENCH_INLINE MaskG equal_group(const int64_t* p, const int64_t* q) {
  return {static_cast<__mmask16>(equal(p, q).bits | equal(p + 8, q + 8).bits << 8)};
}
CALIBENCH_INLINE void store_group(float* p, G a) { store(p, a); }
// Eight lanes from 8 * part on.
CALIBENCH_INLINE D widen(G a, int part) { return part == 0 ? low(a) : high(a); }
CALIBENCH_INLINE G count_lanes(G n, MaskG m) {
  return {_mm512_mask_add_ps(n.v, m.bits, n.v, _mm512_set1_ps(1.0f))};
}
CALIBENCH_INLINE void store_integers(int64_t* p, G a) {
  const __m512i whole = _mm512_cvttps_epi32(a.v);
  _mm512_storeu_si512(p, _mm512_cvtepi32_epi64(_mm512_castsi512_si256(whole)));
  _mm512_storeu_si512(p + 8, _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(whole, 1)));
}

// Four values from each of the four pointers, in that order.
template <typename T>
CALIBENCH_INLINE F quads(const T* p0, const T* p1, const T* p2, const T* p3) {
  const __m512 one = _mm512_castps128_ps512(load4(p0)), two = _mm512_insertf32x4(one, load4(p1), 1);
  return {_mm512_insertf32x4(_mm512_insertf32x4(two, load4(p2), 2), load4(p3), 3)};
}

// Swaps lane 4 q + r of v[c] with lane 4 q + c of v[r], for q, r, c in 0 .. 3.
CALIBENCH_INLINE void transpose_quads(F* v) {
  const __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps(v[0].v, v[1].v)),
                b = _mm512_castps_pd(_mm512_unpackhi_ps(v[0].v, v[1].v)),
                c = _mm512_castps_pd(_mm512_unpacklo_ps(v[2].v, v[3].v)),
                d = _mm512_castps_pd(_mm512_unpackhi_ps(v[2].v, v[3].v));
  v[0] = {_mm512_castpd_ps(_mm512_unpacklo_pd(a, c))};
  v[1] = {_mm512_castpd_ps(_mm512_unpackhi_pd(a, c))};
  v[2] = {_mm512_castpd_ps(_mm512_unpacklo_pd(b, d))};
  v[3] = {_mm512_castpd_ps(_mm512_unpackhi_pd(b, d))};
}

// The first n values, and `fill` in the other lanes. Memory past the n values is not read.
CALIBENCH_INLINE F load16(const float* p, int64_t n, float fill) {
  return {_mm512_mask_loadu_ps(_mm512_set1_ps(fill), static_cast<__mmask16>((1u << n) - 1), p)};
}
template <typename T>
CALIBENCH_INLINE F load16(const T* p, int64_t n, float fill) {
  const __m256i raw = _mm256_maskz_loadu_epi16(static_cast<__mmask16>((1u << n) - 1), p);
  alignas(64) T padded[16];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(padded), raw);
  return {
      _mm512_mask_blend_ps(static_cast<__mmask16>((1u << n) - 1), _mm512_set1_ps(fill), load16(padded).v)};
}

}  // namespace calibench::CALIBENCH_ISA
