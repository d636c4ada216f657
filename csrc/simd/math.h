// exp, log and compensated sums of vectors, written with the functions of avx512.h, avx2.h or portable.h.
#pragma once

namespace calibench::CALIBENCH_ISA {

constexpr double kLn2High = 6.93147180369123816490e-01;  // its low 32 bits are zero: n * kLn2High is exact
constexpr double kLn2Low = 1.90821492927058770002e-10;
constexpr double kLn2 = 0.6931471805599453094;
constexpr double kLog2e = 1.4426950408889634074;
constexpr double kRound = 0x1.8p52;       // adding it rounds to an integer, which is then in the low bits
constexpr double kExpUnderflow = -708.0;  // above it exp is a normal number; below it exp is set to 0

// The first n < 8 values, and `fill` in the other lanes. Memory past the n values is not read.
template <typename T>
CALIBENCH_INLINE D load8(const T* p, int64_t n, double fill) {
  alignas(64) double padded[8];
  for (int i = 0; i < 8; ++i) padded[i] = i < n ? to_double(p[i]) : fill;
  return load(padded);
}

// exp(x) to 2 ulp for x <= 709: x = n ln 2 + r with |r| <= ln 2 / 2, and a polynomial of degree 10 in r
// (Chebyshev's truncation of the series, with an error of 2.1e-16). Below -708 the result is 0.
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

// ln(x) of positive normal x = m 2^e: with m in [sqrt(1/2), sqrt(2)) and s = (m - 1) / (m + 1),
// ln m = 2 (s + s^3 / 3 + s^5 / 5 + ...).
CALIBENCH_INLINE D log(D x) {
  D m, e;
  split(x, &m, &e);
  const D s = (m - set(1.0)) / (m + set(1.0));
  const D z = s * s;
  D p = set(1.0 / 21);  // the series may stop here: z^10 / 21 < 3e-17
  for (int k = 19; k >= 3; k -= 2) p = fma(p, z, set(1.0 / k));
  const D tail = s * z * p;  // s^3 / 3 + ...
  return fma(e, set(kLn2High), fma(e, set(kLn2Low), (s + tail) + (s + tail)));
}

// ln(1 + t) for t >= 0 without cancellation: the part of t that the rounding of 1 + t loses is added back to
// first order. `inverse` is 1 / (1 + t).
CALIBENCH_INLINE D log1p(D t, D* inverse) {
  const D u = set(1.0) + t;
  *inverse = set(1.0) / u;
  return log(u) + (t - (u - set(1.0))) * *inverse;
}

// Sums and their rounding errors (Knuth's two-sum, lane by lane). An infinite sum keeps a finite carry.
struct Sums {
  D sum, carry;
};
CALIBENCH_INLINE void add(Sums* sums, D value) {
  const D total = sums->sum + value;
  const D rounded_value = total - sums->sum;
  const D error = (sums->sum - (total - rounded_value)) + (value - rounded_value);
  sums->carry = sums->carry + select(equal(error, error), error, set(0.0));
  sums->sum = total;
}

// e_j = 2^(x_j h - c) in float32, with a whole number c and h = log2(e) rounded to float32. A fused step
// splits x h - c into n + f and rounds f only, so e_j has a relative error of 2e-7 however far x_j is from
// the largest score of the row. h is too small by a relative 1.3e-8, which shrinks every gap between scores
// by as much; `restore_gaps` in row_metrics.h corrects the sums for it.
constexpr float kRoundF = 0x1.8p23f;
// Rounds too, and leaves the bits of 2^n but for a shift by 23 places.
constexpr float kRoundPowerF = kRoundF + 127.0f;
constexpr float kLog2eF = 0x1.715476p+0f;
constexpr double kGapError = -1.33497582e-8;  // kLog2eF / log2(e) - 1
// A score below top - 86 counts as top - 86, a term of 2^-125: so 2^n is a normal number.
constexpr float kLowest = 86.0f;
// Limit on |top|: beyond it c is not among the integers that kRoundF can represent.
constexpr double kFastTop = 0x1p20;
// Below this tail the squares of K = 2^18 equal terms would not be normal numbers of float32.
constexpr double kFastTail = 0x1p-40;
// Distance to a bin edge or a threshold; larger than the error of a probability in float32.
constexpr double kFastMargin = 1e-6;

// 2^f for |f| <= 1/2: the minimax polynomial with p(0) = 1. Its error of 1e-7 is as large as the rounding.
// V is F or G.
template <typename V>
CALIBENCH_INLINE V exp2_fraction(V f) {
  V p = set_like(f, 0x1.5bb8d6p-10f);
  p = fma(p, f, set_like(f, 0x1.3ceb86p-7f));
  p = fma(p, f, set_like(f, 0x1.c6b714p-5f));
  p = fma(p, f, set_like(f, 0x1.ebf9bcp-3f));
  p = fma(p, f, set_like(f, 0x1.62e42ap-1f));
  return fma(p, f, set_like(f, 1.0f));
}

// `round_minus_c` is kRoundPowerF - c. NaN stays NaN.
template <typename V>
CALIBENCH_INLINE V exp2_shifted(V x, V round_minus_c) {
  const V h = set_like(x, kLog2eF), shifted = fma(x, h, round_minus_c);
  return scale(exp2_fraction(fms(x, h, shifted - round_minus_c)), shifted);
}

// ln(1 + t) in float32 for t >= 0, by the formulas of `log` and `log1p` above, to 2e-7. The polynomial is
// minimax, with an error of 1e-9. `inverse` is 1 / (1 + t).
CALIBENCH_INLINE G log1p(G t, G inverse) {
  const G one = set_like(t, 1.0f), u = one + t;
  G m, e;
  split(u, &m, &e);
  const G s = (m - one) / (m + one), z = s * s;
  const G p =
      fma(fma(set_like(t, 0x1.31e2f2p-3f), z, set_like(t, 0x1.995ebap-3f)), z, set_like(t, 0x1.55557ap-2f));
  const G half = fma(s * z, p, s);
  return fma(t - (u - one), inverse, fma(e, set_like(t, 0x1.62e43p-1f), half + half));
}

// exp2_shifted with c = 0, for rows with all scores in [kPlainMin, kPlainMax] and the largest at least
// kPlainMinTop: then all terms and squares that affect the result are normal numbers.
constexpr float kPlainMin = -80.0f, kPlainMinTop = -3.0f, kPlainMax = 40.0f;

CALIBENCH_INLINE F exp2_plain(F x) {
  const F shifted = fma(x, set(kLog2eF), set(kRoundPowerF)), n = shifted - set(kRoundPowerF);
  return scale(exp2_fraction(fms(x, set(kLog2eF), n)), n, shifted);
}

}  // namespace calibench::CALIBENCH_ISA
