// The vectors of avx512.h as plain C++ loops, which the compiler turns into
// NEON, SSE2 or other baseline instructions.
#pragma once

#include "scalar.h"

namespace calibench::CALIBENCH_ISA {

#if defined(__FP_FAST_FMA) && defined(__FP_FAST_FMAF)
inline constexpr bool kHasFma = true;  // 64-bit Arm
#else
inline constexpr bool kHasFma = false;  // the x86-64 baseline: float32 scores are computed in float64
#endif

struct Mask8 {
  unsigned bits;
};
struct Mask16 {
  unsigned bits;
};
struct D {
  double v[8];
};
struct F {
  float v[16];
};

#define CALIBENCH_LANES(N) for (int l = 0; l < (N); ++l)

CALIBENCH_INLINE D set(double x) {
  D r;
  CALIBENCH_LANES(8) r.v[l] = x;
  return r;
}
CALIBENCH_INLINE F set(float x) {
  F r;
  CALIBENCH_LANES(16) r.v[l] = x;
  return r;
}
CALIBENCH_INLINE D load(const double* p) {
  D r;
  memcpy(r.v, p, sizeof(r.v));
  return r;
}
CALIBENCH_INLINE F load(const float* p) {
  F r;
  memcpy(r.v, p, sizeof(r.v));
  return r;
}
CALIBENCH_INLINE void store(double* p, const D& a) { memcpy(p, a.v, sizeof(a.v)); }
CALIBENCH_INLINE void store(float* p, const F& a) { memcpy(p, a.v, sizeof(a.v)); }

CALIBENCH_INLINE double fused(double a, double b, double c) {
  if constexpr (kHasFma) return __builtin_fma(a, b, c);
  return a * b + c;
}
CALIBENCH_INLINE float fused(float a, float b, float c) {
  if constexpr (kHasFma) return __builtin_fmaf(a, b, c);
  return a * b + c;
}

#define CALIBENCH_BINARY(TYPE, N, NAME, EXPRESSION)          \
  CALIBENCH_INLINE TYPE NAME(const TYPE& a, const TYPE& b) { \
    TYPE r;                                                  \
    CALIBENCH_LANES(N) r.v[l] = EXPRESSION;                  \
    return r;                                                \
  }
CALIBENCH_BINARY(D, 8, operator+, a.v[l] + b.v[l])
CALIBENCH_BINARY(D, 8, operator-, a.v[l] - b.v[l])
CALIBENCH_BINARY(D, 8, operator*, a.v[l] * b.v[l])
CALIBENCH_BINARY(D, 8, operator/, a.v[l] / b.v[l])
CALIBENCH_BINARY(D, 8, max, a.v[l] > b.v[l] ? a.v[l] : b.v[l])
CALIBENCH_BINARY(D, 8, min, a.v[l] < b.v[l] ? a.v[l] : b.v[l])
CALIBENCH_BINARY(F, 16, operator+, a.v[l] + b.v[l])
CALIBENCH_BINARY(F, 16, operator-, a.v[l] - b.v[l])
CALIBENCH_BINARY(F, 16, operator*, a.v[l] * b.v[l])
CALIBENCH_BINARY(F, 16, operator/, a.v[l] / b.v[l])
CALIBENCH_BINARY(F, 16, max, a.v[l] > b.v[l] ? a.v[l] : b.v[l])
CALIBENCH_BINARY(F, 16, min, a.v[l] < b.v[l] ? a.v[l] : b.v[l])

#define CALIBENCH_TERNARY(TYPE, N, NAME, EXPRESSION)                        \
  CALIBENCH_INLINE TYPE NAME(const TYPE& a, const TYPE& b, const TYPE& c) { \
    TYPE r;                                                                 \
    CALIBENCH_LANES(N) r.v[l] = EXPRESSION;                                 \
    return r;                                                               \
  }
CALIBENCH_TERNARY(D, 8, fma, fused(a.v[l], b.v[l], c.v[l]))
CALIBENCH_TERNARY(D, 8, fnma, fused(-a.v[l], b.v[l], c.v[l]))
CALIBENCH_TERNARY(F, 16, fma, fused(a.v[l], b.v[l], c.v[l]))
CALIBENCH_TERNARY(F, 16, fms, fused(a.v[l], b.v[l], -c.v[l]))

CALIBENCH_INLINE D abs(const D& a) {
  D r;
  CALIBENCH_LANES(8) r.v[l] = __builtin_fabs(a.v[l]);
  return r;
}

CALIBENCH_INLINE Mask8 less(const D& a, const D& b) {
  unsigned bits = 0;
  CALIBENCH_LANES(8) bits |= static_cast<unsigned>(a.v[l] < b.v[l]) << l;
  return {bits};
}
CALIBENCH_INLINE Mask8 equal(const D& a, const D& b) {
  unsigned bits = 0;
  CALIBENCH_LANES(8) bits |= static_cast<unsigned>(a.v[l] == b.v[l]) << l;
  return {bits};
}
CALIBENCH_INLINE unsigned bits(Mask8 m) { return m.bits; }
CALIBENCH_INLINE Mask8 mask8(unsigned bits) { return {bits}; }
CALIBENCH_INLINE D select(Mask8 m, const D& yes, const D& no) {
  D r;
  CALIBENCH_LANES(8) r.v[l] = (m.bits >> l & 1) ? yes.v[l] : no.v[l];
  return r;
}

CALIBENCH_INLINE D scale(const D& p, const D& shifted) {
  D r;
  CALIBENCH_LANES(8) {
    uint64_t a, n;
    memcpy(&a, &p.v[l], 8);
    memcpy(&n, &shifted.v[l], 8);
    a += n << 52;
    memcpy(&r.v[l], &a, 8);
  }
  return r;
}
CALIBENCH_INLINE D exponent(const D& a) {
  D r;
  CALIBENCH_LANES(8) {
    uint64_t raw;
    memcpy(&raw, &a.v[l], 8);
    r.v[l] = static_cast<double>(static_cast<int64_t>(raw >> 52) - 1023);
  }
  return r;
}
CALIBENCH_INLINE void split(const D& a, D* m, D* e) {
  D shifted;
  CALIBENCH_LANES(8) {
    int64_t raw;
    memcpy(&raw, &a.v[l], 8);
    raw += 0x3ff0000000000000 - kRootHalfBits;
    memcpy(&shifted.v[l], &raw, 8);
    raw = (raw & 0x000fffffffffffff) + kRootHalfBits;
    memcpy(&m->v[l], &raw, 8);
  }
  *e = exponent(shifted);
}

CALIBENCH_INLINE double sum(const D& a) {
  double four[4];
  CALIBENCH_LANES(4) four[l] = a.v[l] + a.v[l + 4];
  return (four[0] + four[2]) + (four[1] + four[3]);
}
CALIBENCH_INLINE double largest(const D& a) {
  double r = a.v[0];
  CALIBENCH_LANES(8) r = a.v[l] > r ? a.v[l] : r;
  return r;
}
CALIBENCH_INLINE double smallest(const D& a) {
  double r = a.v[0];
  CALIBENCH_LANES(8) r = a.v[l] < r ? a.v[l] : r;
  return r;
}
CALIBENCH_INLINE float largest(const F& a) {
  float r = a.v[0];
  CALIBENCH_LANES(16) r = a.v[l] > r ? a.v[l] : r;
  return r;
}

CALIBENCH_INLINE float first_lane(const F& a) { return a.v[0]; }
CALIBENCH_INLINE float smallest(const F& a) {
  float r = a.v[0];
  CALIBENCH_LANES(16) r = a.v[l] < r ? a.v[l] : r;
  return r;
}

CALIBENCH_INLINE Mask16 less(const F& a, const F& b) {
  unsigned bits = 0;
  CALIBENCH_LANES(16) bits |= static_cast<unsigned>(a.v[l] < b.v[l]) << l;
  return {bits};
}
CALIBENCH_INLINE Mask16 equal(const F& a, const F& b) {
  unsigned bits = 0;
  CALIBENCH_LANES(16) bits |= static_cast<unsigned>(a.v[l] == b.v[l]) << l;
  return {bits};
}
CALIBENCH_INLINE unsigned bits(Mask16 m) { return m.bits; }
CALIBENCH_INLINE F select(Mask16 m, const F& yes, const F& no) {
  F r;
  CALIBENCH_LANES(16) r.v[l] = (m.bits >> l & 1) ? yes.v[l] : no.v[l];
  return r;
}
CALIBENCH_INLINE D low(const F& a) {
  D r;
  CALIBENCH_LANES(8) r.v[l] = a.v[l];
  return r;
}
CALIBENCH_INLINE D high(const F& a) {
  D r;
  CALIBENCH_LANES(8) r.v[l] = a.v[l + 8];
  return r;
}
CALIBENCH_INLINE F scale(const F& p, const F& shifted) {
  F r;
  CALIBENCH_LANES(16) {
    uint32_t n;
    memcpy(&n, &shifted.v[l], 4);
    n <<= 23;
    memcpy(&r.v[l], &n, 4);
    r.v[l] *= p.v[l];
  }
  return r;
}
CALIBENCH_INLINE F scale(const F& p, const F&, const F& shifted) { return scale(p, shifted); }

template <typename T>
CALIBENCH_INLINE F load16(const T* p) {
  F r;
  CALIBENCH_LANES(16) r.v[l] = to_float(p[l]);
  return r;
}
template <typename T>
CALIBENCH_INLINE F load16(const T* p, int64_t n, float fill) {
  F r;
  CALIBENCH_LANES(16) r.v[l] = l < n ? to_float(p[l]) : fill;
  return r;
}
CALIBENCH_INLINE D load8(const int32_t* p) {
  D r;
  CALIBENCH_LANES(8) r.v[l] = static_cast<double>(p[l]);
  return r;
}
CALIBENCH_INLINE D load8(const uint8_t* p) {
  D r;
  CALIBENCH_LANES(8) r.v[l] = static_cast<double>(p[l]);
  return r;
}
template <typename T>
CALIBENCH_INLINE D load8(const T* p) {
  D r;
  CALIBENCH_LANES(8) r.v[l] = to_double(p[l]);
  return r;
}

CALIBENCH_INLINE void store_integers(int32_t* p, const D& a) {
  CALIBENCH_LANES(8) p[l] = static_cast<int32_t>(a.v[l]);
}
CALIBENCH_INLINE Mask8 equal(const int64_t* p, const int64_t* q) {
  unsigned bits = 0;
  CALIBENCH_LANES(8) bits |= static_cast<unsigned>(p[l] == q[l]) << l;
  return {bits};
}
CALIBENCH_INLINE void store_integers(int64_t* p, const D& a) {
  CALIBENCH_LANES(8) p[l] = static_cast<int64_t>(a.v[l]);
}
CALIBENCH_INLINE Mask8 differ(const D& a, const D& b) { return {~equal(a, b).bits & 0xffu}; }
CALIBENCH_INLINE D keep(Mask8 m, const D& a) { return select(m, a, set(0.0)); }
CALIBENCH_INLINE D count_lanes(const D& n, Mask8 m) { return n + keep(m, set(1.0)); }
CALIBENCH_INLINE void store_or_minus_one(int64_t* p, Mask8 m, const int64_t* q) {
  CALIBENCH_LANES(8) p[l] = (m.bits >> l & 1) ? q[l] : -1;
}

// Four values from each of the four pointers, in that order.
template <typename T>
CALIBENCH_INLINE F quads(const T* p0, const T* p1, const T* p2, const T* p3) {
  F r;
  CALIBENCH_LANES(4) {
    r.v[l] = to_float(p0[l]);
    r.v[4 + l] = to_float(p1[l]);
    r.v[8 + l] = to_float(p2[l]);
    r.v[12 + l] = to_float(p3[l]);
  }
  return r;
}

// Swaps lane 4 q + r of v[c] with lane 4 q + c of v[r], for q, r, c in 0 .. 3.
CALIBENCH_INLINE void transpose_quads(F* v) {
  const F old[4] = {v[0], v[1], v[2], v[3]};
  for (int c = 0; c < 4; ++c) {
    CALIBENCH_LANES(16) v[c].v[l] = old[l % 4].v[l - l % 4 + c];
  }
}

}  // namespace calibench::CALIBENCH_ISA
