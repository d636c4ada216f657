// Turns the sums of a block of rows into confidence, tail, NLL, Brier and bin, 8 rows at a time. Logarithms
// and divisions are computed here only.
#pragma once

namespace calibench::CALIBENCH_ISA {

struct RowMetrics {
  double confidence[kBlockRows];
  double tail[kBlockRows];
  double nll[kBlockRows];
  double brier[kBlockRows];
  int32_t cell[kBlockRows];  // 2 k + 1 in bin k if the prediction is the label, else 2 k
  uint64_t on_edge;          // rows so close to a bin edge that bins.h must find the bin
  uint64_t unsure;           // rows to be computed again in float64; 0 if the sums are float64
};

// Corrects S = sum exp(-(1 + kGapError) d_j), the sum in float32 (math.h gives the reason).
// To first order, sum exp(-d_j) = S (1 + kGapError * mean d), with the mean weighted by the terms.
// This mean is in [-ln S, ln K - ln S], because the entropy of the terms is in [0, ln K]. The middle of that
// range, with the logarithm from the exponent of S, gives the sum to within 1e-7. The same holds for the sum
// of squares, where each d_j counts twice.
// V is D or G.
template <typename V, typename Real>
CALIBENCH_INLINE V restore_gaps(V sum, Real slope, Real at_exponent_0) {
  return sum * fma(exponent(sum), set_like(sum, slope), set_like(sum, at_exponent_0));
}
constexpr double kGapSlope = -kGapError * kLn2;
CALIBENCH_INLINE double gap_at_exponent_0(double half_log_classes) {
  return 1.0 + kGapError * (half_log_classes - 0.5 * kLn2);
}

// The sums relative to the term of the largest score; each tie with it adds 1.
CALIBENCH_INLINE D relative_others(const RowBlock& block, int i, double) {
  return load(block.others + i) + load(block.ties + i);
}
CALIBENCH_INLINE D relative_others(const FastBlock& block, int i, double half_log_classes) {
  const D others = load(block.others + i) * load8(block.inverse_unit + i);
  return restore_gaps(others, kGapSlope, gap_at_exponent_0(half_log_classes)) + load8(block.ties + i);
}

// Half the logarithm of K. Computed once a chunk: the C library's SSE instructions wait for AVX-512
// registers.
CALIBENCH_INLINE double half_log(int64_t classes) { return 0.5 * ::log(static_cast<double>(classes)); }

// The cell of the bin k with confidence in (k / M, (k + 1) / M]. It is certain unless confidence * M is close
// to a whole number: those lanes are set in `close`, and bins.h decides.
CALIBENCH_INLINE D find_cell(D confidence, Mask8 hit, double M, unsigned* close) {
  const D one = set(1.0), z = confidence * set(M);
  const D nearest = (z + set(kRound)) - set(kRound);
  const D floor = nearest - keep(less(z, nearest), one);
  *close = bits(less(abs(z - nearest), set(1e-12 * M)));
  const D k = min(floor, set(M - 1.0));
  return (k + k) + keep(hit, one);
}

// Stores the cells of kGroup rows and returns the rows to be computed again in float64: those close to an
// edge and those with a small tail. M is not an edge, and most confidences of many networks are just below 1.
// (With millions of bins, z is too rough for that.) z = confidence * M is rounded twice, which 2e-7 allows
// for.
CALIBENCH_INLINE unsigned fast_cells(G confidence, G tail, MaskG hit, int64_t bins, int32_t* cells) {
  const float M = static_cast<float>(bins);
  const G z = confidence * set_like(tail, M), round = set_like(tail, kRoundF);
  const G nearest = (z + round) - round, distance = max(z - nearest, nearest - z);
  store_cells(cells, z, static_cast<int32_t>(bins - 1), hit);
  const unsigned close = bits(less(distance, set_like(tail, static_cast<float>(kFastMargin + 2e-7) * M)));
  const unsigned below_last = bins > (1 << 21) ? ~0u : bits(less(nearest, set_like(tail, M - 0.5f)));
  return (close & below_last) | bits(less(tail, set_like(tail, static_cast<float>(kFastTail))));
}

CALIBENCH_FUNCTION void metrics_from_logits(const RowBlock& block, int rows, int64_t bins, RowMetrics* out) {
  const D one = set(1.0);
  out->on_edge = out->unsure = 0;
  for (int i = 0; i < rows; i += 8) {
    const D tail = relative_others(block, i, 0.0), squares = load(block.squares + i) + load(block.ties + i);
    D confidence;
    const D margin = load(block.top + i) - load(block.label_score + i);
    const D nll = log1p(tail, &confidence) + margin;
    const D of_label = exp(set(0.0) - margin);
    const D right = tail * confidence;  // 1 - confidence without cancellation
    const D wrong = one - of_label * confidence;
    const Mask8 hit = equal(block.prediction + i, block.label + i);
    const D miss = select(hit, right, wrong);
    const D rest = select(hit, squares, one + max(squares - of_label * of_label, set(0.0)));
    store(out->confidence + i, confidence);
    store(out->tail + i, tail);
    store(out->nll + i, nll);
    store(out->brier + i, fma(confidence * confidence, rest, miss * miss));
    unsigned close;
    store_integers(out->cell + i, find_cell(confidence, hit, static_cast<double>(bins), &close));
    out->on_edge |= static_cast<uint64_t>(close) << i;
  }
}

// NLL and Brier of kGroup rows in float32, whose confidence and tail are rounded to it.
CALIBENCH_INLINE void fast_scores(const FastBlock& block, int i, G tail, G confidence, G squares, MaskG hit,
                                  RowMetrics* out) {
  const G one = set_like(tail, 1.0f), zero = set_like(tail, 0.0f), power = set_like(tail, kRoundPowerF);
  const G margin = load_group(block.top + i) - load_group(block.label_score + i);
  const G nll = log1p(tail, confidence) + margin;
  const G of_label = exp2_shifted(max(zero - margin, set_like(tail, -kLowest)), power);
  const G right = tail * confidence, wrong = one - of_label * confidence;
  const G miss = select(hit, right, wrong);
  const G rest = select(hit, squares, one + max(squares - of_label * of_label, zero));
  const G brier = fma(confidence * confidence, rest, miss * miss);
  for (int p = 0; p < kGroup / 8; ++p) {
    store(out->nll + i + 8 * p, widen(nll, p));
    store(out->brier + i + 8 * p, widen(brier, p));
  }
}

CALIBENCH_FUNCTION void metrics_from_logits(const FastBlock& block, int rows, double half_log_classes,
                                            int64_t bins, RowMetrics* out) {
  uint64_t unsure = block.too_large;
  for (int i = 0; i < rows; i += kGroup) {
    D tails[kGroup / 8], confidences[kGroup / 8], squares[kGroup / 8];
    for (int p = 0; p < kGroup / 8; ++p) {
      const int at = i + 8 * p;
      const D inverse_unit = load8(block.inverse_unit + at);
      squares[p] = load(block.squares + at) * (inverse_unit * inverse_unit);
      tails[p] = relative_others(block, at, half_log_classes);
      confidences[p] = set(1.0) / (set(1.0) + tails[p]);
      store(out->tail + at, tails[p]);
      store(out->confidence + at, confidences[p]);
    }
    const G tail = narrow(tails), confidence = narrow(confidences);
    const G some_squares = restore_gaps(narrow(squares), static_cast<float>(kGapSlope),
                                        static_cast<float>(gap_at_exponent_0(half_log_classes)));
    const MaskG hit = equal_group(block.prediction + i, block.label + i);
    unsure |= static_cast<uint64_t>(fast_cells(confidence, tail, hit, bins, out->cell + i)) << i;
    fast_scores(block, i, tail, confidence, some_squares + load_group(block.ties + i), hit, out);
  }
  out->on_edge = 0;
  out->unsure = unsure;
}

CALIBENCH_FUNCTION void metrics_from_probs(const RowBlock& block, int rows, int64_t bins, RowMetrics* out) {
  const D one = set(1.0), zero = set(0.0);
  out->on_edge = out->unsure = 0;
  for (int i = 0; i < rows; i += 8) {
    const D top = load(block.top + i), label_score = load(block.label_score + i), ties = load(block.ties + i);
    const D others = fma(ties, top, load(block.others + i));
    const D squares = fma(ties * top, top, load(block.squares + i));
    const Mask8 hit = equal(block.prediction + i, block.label + i);
    const D miss = one - label_score;
    const D wrong = fma(top, top, max(squares - label_score * label_score, zero));
    store(out->confidence + i, top);
    store(out->tail + i, select(less(zero, top), others / top,
                                set(__builtin_inf())));  // a row of zeros is the least confident
    store(out->nll + i, zero - log(max(label_score, set(kProbabilityFloor))));
    store(out->brier + i, fma(miss, miss, select(hit, squares, wrong)));
    unsigned close;
    store_integers(out->cell + i, find_cell(top, hit, static_cast<double>(bins), &close));
    out->on_edge |= static_cast<uint64_t>(close) << i;
  }
}

}  // namespace calibench::CALIBENCH_ISA
