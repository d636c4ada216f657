// exp, log and compensated sums of vectors, in terms of the names that avx512.h, avx2.h and portable.h give.
#pragma once

namespace calibench::CALIBENCH_ISA {

constexpr double kLn2High = 6.93147180369123816490e-01;  // its low 32 bits are zero: n * kLn2High is exact
constexpr double kLn2Low = 1.90821492927058770002e-10;
constexpr double kLog2e = 1.4426950408889634074;
constexpr double kRound = 0x1.8p52;       // adding it rounds to an integer, which then lies in the low bits
constexpr double kExpUnderflow = -708.0;  // exp is normal above it; below, it is flushed to 0

// The first n < 8 values, `fill` in the lanes after them; nothing behind them is read.
template <typename T>
CALIBENCH_INLINE D load8(const T* p, int64_t n, double fill) {
  alignas(64) double padded[8];
  for (int i = 0; i < 8; ++i) padded[i] = i < n ? to_double(p[i]) : fill;
  return load(padded);
}

// exp(x) to 2 ulp for x <= 709: x = n ln 2 + r, |r| <= ln 2 / 2, and a polynomial of degree 10 in r
// (Chebyshev's truncation of the series, off by 2.1e-16). Below -708 it is 0.
CALIBENCH_INLINE D exp(D x) {
  const D clamped = max(set(kExpUnderflow), x);
  const D shifted = fma(clamped, set(kLog2e), set(kRound));
  const D n = shifted - set(kRound);
  const D r = fnma(n, set(kLn2Low), fnma(n, set(kLn2High), clamped));
  D p = set(0x1.28b408307df80p-22);
  p = fma(p, r, set(0x1.72faf41e9d7f6p-19));
  p = fma(p, r, set(0x1.a01991a987b0ep-16));
  p = fma(p, r, set(0x1.a01978c2c19adp-13));
  p = fma(p, r, set(0x1.6c16c187fd096p-10));
  p = fma(p, r, set(0x1.1111112dd7cd0p-7));
  p = fma(p, r, set(0x1.555555554f0c9p-5));
  p = fma(p, r, set(0x1.555555554b74cp-3));
  p = fma(p, r, set(0x1.0000000000011p-1));
  p = fma(p, r, set(0x1.000000000001ep+0));
  p = fma(p, r, set(1.0));
  return select(less(x, set(kExpUnderflow)), set(0.0), scale(p, shifted));
}

// ln(x) of positive normal x: m in [sqrt(1/2), sqrt(2)), s = (m - 1) / (m + 1), ln m = 2 (s + s^3 / 3 + s^5 /
// 5 + ...).
CALIBENCH_INLINE D log(D x) {
  D m, e;
  split(x, &m, &e);
  const Mask8 upper = less(set(1.4142135623730951), m);
  m = select(upper, m * set(0.5), m);
  e = select(upper, e + set(1.0), e);
  const D s = (m - set(1.0)) / (m + set(1.0));
  const D z = s * s;
  D p = set(1.0 / 21);  // z^10 / 21 < 3e-17: where the series may stop
  for (int k = 19; k >= 3; k -= 2) p = fma(p, z, set(1.0 / k));
  const D tail = s * z * p;  // s^3 / 3 + ...
  return fma(e, set(kLn2High), fma(e, set(kLn2Low), (s + tail) + (s + tail)));
}

// ln(1 + t) of t >= 0 without cancellation: what 1 + t rounds away is put back to first order. `inverse` is 1
// / (1 + t).
CALIBENCH_INLINE D log1p(D t, D* inverse) {
  const D u = set(1.0) + t;
  *inverse = set(1.0) / u;
  return log(u) + (t - (u - set(1.0))) * *inverse;
}

// Sums with their rounding errors beside them (Knuth's two-sum, lane by lane); an infinite sum keeps a finite
// carry.
struct Sums {
  D sum, carry;
};
CALIBENCH_INLINE void add(Sums* sums, D value) {
  const D total = sums->sum + value;
  const D back = total - sums->sum;
  const D error = (sums->sum - (total - back)) + (value - back);
  sums->carry = sums->carry + select(equal(error, error), error, set(0.0));
  sums->sum = total;
}

// e_j = 2^(x_j h - c) in float32 with c a whole number and h = log2(e) rounded to float32: x h - c is reduced
// to n + f by a fused step that rounds nothing but f itself, so e_j is good to 2e-7 however far x_j lies from
// the row's largest score. That h is too small by 1.3e-8 of itself shrinks every gap between scores by as
// much; `restore_gaps` in finish.h puts it back into the sums.
constexpr float kRoundF = 0x1.8p23f;
constexpr float kLog2eF = 0x1.715476p+0f;
constexpr double kGapError = -1.33497582e-8;  // kLog2eF / log2(e) - 1
constexpr float kLowest = 86.0f;     // below max - 86 a score counts as max - 86: 2^-125, and n stays normal
constexpr double kFastTop = 0x1p20;  // beyond it c leaves the integers that kRoundF can hold
constexpr double kFastTail =
    0x1p-40;  // below it the squares of K = 2^18 equal terms would leave float32's normal numbers
constexpr double kFastMargin =
    1e-6;  // of a bin edge or a threshold: more than float32's error in a probability

// 2^f for |f| <= 1/2: minimax with p(0) = 1, off by 1e-7, as much as the rounding.
CALIBENCH_INLINE F exp2_fraction(F f) {
  F p = set(0x1.5bb8d6p-10f);
  p = fma(p, f, set(0x1.3ceb86p-7f));
  p = fma(p, f, set(0x1.c6b714p-5f));
  p = fma(p, f, set(0x1.ebf9bcp-3f));
  p = fma(p, f, set(0x1.62e42ap-1f));
  return fma(p, f, set(1.0f));
}

CALIBENCH_INLINE F exp2_shifted(F x, F round_minus_c) {
  const F shifted = fma(x, set(kLog2eF), round_minus_c);
  return scale(exp2_fraction(fms(x, set(kLog2eF), shifted - round_minus_c)), shifted);
}

// The same with c = 0, for scores that need no reference: in [kPlainLeast, kPlainMost], the largest of them
// no less than kPlainLow. Terms and their squares are then normal numbers wherever they count.
constexpr float kPlainLeast = -80.0f, kPlainLow = -3.0f, kPlainMost = 40.0f;

CALIBENCH_INLINE F exp2_plain(F x) {
  const F shifted = fma(x, set(kLog2eF), set(kRoundF)), n = shifted - set(kRoundF);
  return scale(exp2_fraction(fms(x, set(kLog2eF), n)), n, shifted);
}

}  // namespace calibench::CALIBENCH_ISA
